// Tables of boxes.
#include <cmath>

#include <kestrel/data/datasets/csv.h>
#include <kestrel/kernels/error.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> problems;
  try {
    const auto records = kestrel::parse_csv({reinterpret_cast<const char*>(data), size}, problems);
    for (const auto& picture : records.pictures) {
      if (picture.file.empty() || picture.width < 0 || picture.height < 0) __builtin_trap();
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
