#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

#include <kestrel/data/codecs/codecs.h>
#include <kestrel/data/file.h>
#include <kestrel/data/image.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

std::string picture_extension(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

template <size_t N>
bool is_among(const std::string& word, const std::array<std::string_view, N>& words) {
  return std::ranges::find(words, word) != words.end();
}

/// Widths and heights need the whole file where what turns a picture lies behind its pixels.
ImageSize size_from_all(const std::filesystem::path& path) {
  return image_size(read_file("image", path), path.string());
}

[[noreturn]] void refuse(std::string_view name, std::string_view what) {
  fail<DataError>("[image] ", name, ": is ", what,
                  ", which is not read; convert it to JPEG or PNG");
}

/// Kinds that people have in their folders, by their first bytes.
void refuse_other_kind(std::span<const std::byte> bytes, std::string_view name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min<size_t>(bytes.size(), 64));
  const auto at = [&](size_t place, std::string_view word) {
    return text.size() >= place && text.substr(place).starts_with(word);
  };
  if (at(4, "ftypavif") || at(4, "ftypavis")) refuse(name, "an AVIF picture");
  for (const char* brand : {"heic", "heix", "hevc", "mif1", "msf1", "heim", "heis"}) {
    if (at(4, "ftyp") && at(8, brand)) refuse(name, "a HEIC picture");
  }
  if (at(0, "GIF8")) refuse(name, "a GIF");
  if (at(4, "jP  \r\n") || at(0, "\xFF\x4F\xFF\x51")) refuse(name, "a JPEG 2000 picture");
  if (at(0, "\xFF\x0A") || at(4, "JXL \r\n")) refuse(name, "a JPEG XL picture");
  if (at(0, "8BPS")) refuse(name, "a Photoshop file");
  if (at(0, "%PDF")) refuse(name, "a PDF");
  if (at(0, "P7\n") || at(0, "Pf\n") || at(0, "PF\n")) refuse(name, "a PAM or PFM picture");
}

}  // namespace

namespace codecs {

void check_size(int64_t height, int64_t width, std::string_view name) {
  if (height <= 0 || width <= 0 || height > kMaxImagePixels / width) {
    fail<DataError>("[image] ", name, ": a size of ", width, "x", height,
                    " pixels is not possible (at most ", kMaxImagePixels, " pixels)");
  }
}

}  // namespace codecs

bool has_picture_name(const std::filesystem::path& path) {
  constexpr std::array<std::string_view, 15> kRead = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo",
                                                      ".png", ".webp", ".tif", ".tiff", ".bmp",
                                                      ".tga", ".ppm",  ".pgm", ".pbm",  ".pnm"};
  return is_among(picture_extension(path), kRead);
}

bool has_unread_picture_name(const std::filesystem::path& path) {
  constexpr std::array<std::string_view, 22> kOther = {
      ".heic", ".heif", ".avif", ".gif", ".jp2", ".j2k", ".jxl", ".jxr", ".svg", ".psd", ".ico",
      ".exr",  ".hdr",  ".dng",  ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".pfm", ".pcx"};
  return is_among(picture_extension(path), kOther);
}

Image decode_image(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.empty()) fail<DataError>("[image] ", name, ": the file is empty");
  if (codecs::is_jpeg(bytes)) return codecs::decode_jpeg(bytes, name);
  if (codecs::is_png(bytes)) return codecs::decode_png(bytes, name);
  if (codecs::is_webp(bytes)) return codecs::decode_webp(bytes, name);
  if (codecs::is_tiff(bytes)) return codecs::decode_tiff(bytes, name);
  if (codecs::is_pnm(bytes)) return codecs::decode_pnm(bytes, name);
  refuse_other_kind(bytes, name);
  return codecs::decode_stb(bytes, name);
}

Image read_image(const std::filesystem::path& path) {
  return decode_image(read_file("image", path), path.string());
}

ImageSize image_size(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.empty()) fail<DataError>("[image] ", name, ": the file is empty");
  if (codecs::is_jpeg(bytes)) return codecs::jpeg_size(bytes, name);
  if (codecs::is_png(bytes)) return codecs::png_size(bytes, name);
  if (codecs::is_webp(bytes)) return codecs::webp_size(bytes, name);
  if (codecs::is_tiff(bytes)) return codecs::tiff_size(bytes, name);
  if (codecs::is_pnm(bytes)) return codecs::pnm_size(bytes, name);
  refuse_other_kind(bytes, name);
  return codecs::stb_size(bytes, name);
}

ImageSize read_image_size(const std::filesystem::path& path) {
  const std::string name = path.string();
  constexpr size_t kMostHeaders = 64 << 10;
  const auto start = read_file_start("image", path, kMostHeaders);
  if (start.size() < kMostHeaders) return image_size(start, name);
  // What turns these may lie behind the pixels, and a TIFF's directory usually does.
  if (codecs::is_webp(start) || codecs::is_tiff(start)) return size_from_all(path);
  if (codecs::is_png(start)) return codecs::png_size(path, start);
  try {
    return image_size(start, name);
  } catch (const DataError&) {
    return size_from_all(path);  // a JPEG may have more before its size
  }
}

void write_jpeg(const std::filesystem::path& path, const Image& image, int quality) {
  write_file("image", path, encode_jpeg(image, quality));
}

void write_png(const std::filesystem::path& path, const Image& image) {
  write_file("image", path, encode_png(image));
}

void write_image(const std::filesystem::path& path, const Image& image) {
  const std::string extension = picture_extension(path);
  if (extension == ".png") return write_png(path, image);
  if (extension == ".jpg" || extension == ".jpeg") return write_jpeg(path, image);
  fail<UsageError>("[image] ", path.string(), ": cannot write '", extension, "'; use .jpg or .png");
}

}  // namespace kestrel
