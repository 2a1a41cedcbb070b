#pragma once

#include <cstddef>
#include <filesystem>
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
/// The same of a file that begins with those bytes; what turns it is looked for in the rest.
ImageSize png_size(const std::filesystem::path& path, Bytes start);
Image decode_png(Bytes bytes, std::string_view name);

bool is_webp(Bytes bytes);
ImageSize webp_size(Bytes bytes, std::string_view name);
Image decode_webp(Bytes bytes, std::string_view name);

bool is_tiff(Bytes bytes);
ImageSize tiff_size(Bytes bytes, std::string_view name);
Image decode_tiff(Bytes bytes, std::string_view name);

/// P1 to P6: bitmaps, grey and colour, as text or not, of up to 16 bits.
bool is_pnm(Bytes bytes);
ImageSize pnm_size(Bytes bytes, std::string_view name);
Image decode_pnm(Bytes bytes, std::string_view name);

/// BMP and TGA, through stb_image.
ImageSize stb_size(Bytes bytes, std::string_view name);
Image decode_stb(Bytes bytes, std::string_view name);

/// EXIF orientation of a JPEG, 1 to 8; 1 where there is none or it makes no sense.
int exif_orientation(Bytes jpeg);
/// The same of EXIF data themselves, with "Exif" and two zeros in front or without.
int orientation_of_exif(Bytes exif);
/// The picture as it was meant to be seen.
Image apply_orientation(Image image, int orientation);

/// Throws unless the size is positive and within kMaxImagePixels.
void check_size(int64_t height, int64_t width, std::string_view name);

}  // namespace kestrel::codecs
