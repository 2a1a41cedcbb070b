// Image files of all formats: the size, and the pixels where there are not too many to be quick.
#include <kestrel/data/codecs/codecs.h>
#include <kestrel/kernels/error.h>

using namespace kestrel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const codecs::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const ImageSize expected = image_size(bytes, "fuzz");
    constexpr int64_t kMost = 1 << 20;
    if (expected.height * expected.width > kMost) return 0;
    const Image image = decode_image(bytes, "fuzz");
    if (image.height != expected.height || image.width != expected.width) __builtin_trap();
  } catch (const DataError&) {
  }
  return 0;
}
