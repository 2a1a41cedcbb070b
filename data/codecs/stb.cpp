#include <algorithm>
#include <climits>
#include <cstdlib>
#include <memory>
#include <vector>

#include <kestrel/data/codecs/codecs.h>
#include <kestrel/kernels/error.h>

// Only the formats that no library of their own reads: stb's JPEG reader is not safe.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_TGA
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS (1 << 20)
#include <stb/stb_image.h>

namespace kestrel::codecs {
namespace {

// Of the formats here: TGA's 18 bytes, 255 of text and a palette of 65,535 colours of 4 bytes.
constexpr size_t kLongestHeader = 18 + 255 + (size_t{4} << 16);

uint8_t byte(Bytes bytes, size_t at) {
  return at < bytes.size() ? static_cast<uint8_t>(bytes[at]) : uint8_t{0};
}

// The fewest bits that a pixel of the file takes; of TGA's runs of 128 pixels in 2 bytes it is less
// than one.
double bits_per_pixel(Bytes bytes) {
  const uint8_t first = byte(bytes, 0), second = byte(bytes, 1);
  if (first == 'B' && second == 'M') return byte(bytes, byte(bytes, 14) == 12 ? 24 : 28);
  const bool runs = byte(bytes, 2) >= 9;  // TGA
  return runs ? 16.0 / 128 : byte(bytes, 16);
}

int length(Bytes bytes, std::string_view name) {
  if (bytes.size() > INT_MAX) fail<DataError>("[image] ", name, ": larger than 2 GiB");
  return static_cast<int>(bytes.size());
}

[[noreturn]] void fail_unknown(std::string_view name) {
  const char* reason = stbi_failure_reason();
  fail<DataError>("[image] ", name, ": not a usable JPEG, PNG, WebP, TIFF, BMP, TGA or PNM: ",
                  reason != nullptr ? reason : "unknown format");
}

}  // namespace

ImageSize stb_size(Bytes bytes, std::string_view name) {
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_memory(unsigned_bytes(bytes), length(bytes, name), &width, &height,
                             &channels)) {
    fail_unknown(name);
  }
  height = std::abs(height);  // stb_image says -8 of a BMP of 8 rows, stored from the top.
  check_size(height, width, name);
  return {height, width};
}

Image decode_stb(Bytes bytes, std::string_view name) {
  const ImageSize size = stb_size(bytes, name);
  const double count = static_cast<double>(size.height) * static_cast<double>(size.width);
  if (static_cast<double>(bytes.size()) * 8 < count * bits_per_pixel(bytes)) {
    fail<DataError>("[image] ", name, ": the file is cut short: ", size.width, "x", size.height,
                    " pixels cannot be in ", bytes.size(), " bytes");
  }
  // stb_image takes what it does not find for read: let it find zeros. With enough bytes for the
  // pixels, at most a header's worth can be missing.
  std::vector<std::byte> padded(bytes.begin(), bytes.end());
  padded.resize(2 * bytes.size() + kLongestHeader);
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(unsigned_bytes(Bytes(padded)), length(padded, name), &width, &height,
                            &channels, 3),
      stbi_image_free);
  if (!pixels) fail_unknown(name);
  check_size(height, width, name);
  Image image(height, width);
  std::copy_n(pixels.get(), image.pixels.size(), image.pixels.data());
  return image;
}

}  // namespace kestrel::codecs
