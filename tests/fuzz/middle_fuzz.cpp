// MMDetection's middle format as JSON.
#include <cmath>

#include <kestrel/data/datasets/custom.h>
#include <kestrel/kernels/error.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> problems;
  try {
    const auto records =
        kestrel::parse_middle({reinterpret_cast<const char*>(data), size}, {"a", "b"}, problems);
    for (const auto& picture : records.pictures) {
      for (const auto& object : picture.objects) {
        if (object.name != "a" && object.name != "b") __builtin_trap();
        for (const double corner : object.corners) {
          if (!std::isfinite(corner)) __builtin_trap();
        }
      }
    }
  } catch (const kestrel::DataError&) {
  }
  return 0;
}
