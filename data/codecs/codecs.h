#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <kestrel/data/image.h>

// One pair of functions per library. Each throws DataError naming the file.
namespace kestrel::codecs {

using Bytes = std::span<const std::byte>;

inline const unsigned char* unsigned_bytes(Bytes bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

bool is_jpeg(Bytes bytes);
ImageSize jpeg_size(Bytes bytes, std::string_view name);
Image decode_jpeg(Bytes bytes, std::string_view name);

bool is_png(Bytes bytes);
ImageSize png_size(Bytes bytes, std::string_view name);
Image decode_png(Bytes bytes, std::string_view name);

/// BMP, TGA and PNM, through stb_image.
ImageSize stb_size(Bytes bytes, std::string_view name);
Image decode_stb(Bytes bytes, std::string_view name);

/// EXIF orientation of a JPEG, 1 to 8; 1 where there is none or it makes no sense.
int exif_orientation(Bytes jpeg);
/// The picture as it was meant to be seen.
Image apply_orientation(Image image, int orientation);

/// Throws unless the size is positive and within kMaxImagePixels.
void check_size(int64_t height, int64_t width, std::string_view name);

}  // namespace kestrel::codecs
