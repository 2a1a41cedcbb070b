#include <algorithm>
#include <climits>
#include <memory>

#include <kestrel/data/codecs/codecs.h>
#include <kestrel/kernels/error.h>

// Only the formats that no library of their own reads: stb's JPEG reader is not safe.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_TGA
#define STBI_ONLY_PNM
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS (1 << 20)
#include <stb/stb_image.h>

namespace kestrel::codecs {
namespace {

const stbi_uc* data(Bytes bytes) {
  return reinterpret_cast<const stbi_uc*>(bytes.data());
}

int length(Bytes bytes, std::string_view name) {
  if (bytes.size() > INT_MAX) fail<DataError>("[image] ", name, ": larger than 2 GiB");
  return static_cast<int>(bytes.size());
}

[[noreturn]] void fail_unknown(std::string_view name) {
  const char* reason = stbi_failure_reason();
  fail<DataError>("[image] ", name, ": not a usable JPEG, PNG, BMP, TGA or PNM: ",
                  reason != nullptr ? reason : "unknown format");
}

}  // namespace

ImageSize stb_size(Bytes bytes, std::string_view name) {
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_memory(data(bytes), length(bytes, name), &width, &height, &channels)) {
    fail_unknown(name);
  }
  check_size(height, width, name);
  return {height, width};
}

Image decode_stb(Bytes bytes, std::string_view name) {
  const ImageSize size = stb_size(bytes, name);
  // Uncompressed formats but for TGA's runs of at most 128 pixels in 2 bytes.
  const int64_t least = size.height * size.width / 512;
  if (static_cast<int64_t>(bytes.size()) < least) {
    fail<DataError>("[image] ", name, ": ", size.width, "x", size.height,
                    " pixels cannot be in a file of ", bytes.size(), " bytes");
  }
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(data(bytes), length(bytes, name), &width, &height, &channels, 3),
      stbi_image_free);
  if (!pixels) fail_unknown(name);
  check_size(height, width, name);
  Image image(height, width);
  std::copy_n(pixels.get(), image.pixels.size(), image.pixels.data());
  return image;
}

}  // namespace kestrel::codecs
