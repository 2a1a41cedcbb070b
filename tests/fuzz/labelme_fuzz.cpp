// LabelMe's JSON.
#include <cmath>

#include <kestrel/data/datasets/labelme.h>
#include <kestrel/kernels/error.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> problems;
  try {
    const auto picture =
        kestrel::parse_labelme({reinterpret_cast<const char*>(data), size}, problems);
    if (picture.file.empty()) __builtin_trap();

    for (const auto& object : picture.objects) {
      for (const double corner : object.corners) {
        if (!std::isfinite(corner)) __builtin_trap();
      }
      for (const auto& polygon : object.polygons) {
        if (polygon.size() < 6 || polygon.size() % 2 != 0) __builtin_trap();
      }
    }
  } catch (const kestrel::DataError&) {
  }
  return 0;
}
