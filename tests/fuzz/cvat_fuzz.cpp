// CVAT's XML of images.
#include <cmath>

#include <kestrel/data/datasets/cvat.h>
#include <kestrel/kernels/error.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> problems;
  try {
    const auto records =
        kestrel::parse_cvat({reinterpret_cast<const std::byte*>(data), size}, problems);
    for (const auto& picture : records.pictures) {
      for (const auto& object : picture.objects) {
        for (const double corner : object.corners) {
          if (!std::isfinite(corner)) __builtin_trap();
        }
        for (const auto& polygon : object.polygons) {
          if (polygon.size() < 6 || polygon.size() % 2 != 0) __builtin_trap();
        }
      }
    }
  } catch (const kestrel::DataError&) {
  }
  return 0;
}
