#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace kestrel {

/// An 8-bit RGB picture, (height, width, 3), rows from top to bottom, without gaps.
struct Image {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> pixels;

  Image() = default;
  Image(int64_t h, int64_t w)
      : height(h), width(w), pixels(static_cast<size_t>(h) * static_cast<size_t>(w) * 3) {}

  bool empty() const { return pixels.empty(); }
  uint8_t* row(int64_t y) { return pixels.data() + y * width * 3; }
  const uint8_t* row(int64_t y) const { return pixels.data() + y * width * 3; }
  friend bool operator==(const Image&, const Image&) = default;
};

/// Most pixels that an image may have; more is taken for a damaged or hostile file.
inline constexpr int64_t kMaxImagePixels = int64_t{1} << 28;

/// Reads a JPEG, PNG, WebP, TIFF (its first page), BMP, TGA or PNM file as OpenCV's imread does,
/// but in RGB: grey becomes three equal channels, 16 bits are cut to 8, alpha is dropped, the
/// orientation that EXIF (or TIFF) gives is applied. Throws DataError naming the file and the
/// reason.
Image read_image(const std::filesystem::path& path);

/// The same from memory; `name` stands for the file in messages.
Image decode_image(std::span<const std::byte> bytes, std::string_view name);

/// Whether a file's name ends as that of a picture that read_image reads.
bool has_picture_name(const std::filesystem::path& path);
/// Whether it ends as that of a picture of another kind, such as .heic or .gif.
bool has_unread_picture_name(const std::filesystem::path& path);

/// Width and height of an image file as read_image would give them.
struct ImageSize {
  int64_t height = 0, width = 0;
};
/// Reads only as much as it takes to know the size; throws as read_image does.
ImageSize read_image_size(const std::filesystem::path& path);
/// The same from memory.
ImageSize image_size(std::span<const std::byte> bytes, std::string_view name);

/// Writes a baseline JPEG without chroma subsampling from quality 90 on, with 4:2:0 below.
void write_jpeg(const std::filesystem::path& path, const Image& image, int quality = 92);
void write_png(const std::filesystem::path& path, const Image& image);
/// By the extension: .jpg, .jpeg or .png.
void write_image(const std::filesystem::path& path, const Image& image);

/// The encoded files in memory.
std::vector<std::byte> encode_jpeg(const Image& image, int quality = 92);
std::vector<std::byte> encode_png(const Image& image);

}  // namespace kestrel
