// Pascal VOC's XML.
#include <cmath>

#include <kestrel/data/datasets/voc_file.h>
#include <kestrel/tensor/text.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = kestrel::parse_voc_file({reinterpret_cast<const std::byte*>(data), size});
  if (file.width < 0 || file.height < 0) __builtin_trap();
  for (const auto& object : file.objects) {
    if (!kestrel::is_utf8(object.name)) __builtin_trap();  // it is saved
    for (const double corner : object.corners) {
      if (!std::isfinite(corner)) __builtin_trap();
    }
  }
  return 0;
}
