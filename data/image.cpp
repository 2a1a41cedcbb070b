#include <string>

#include <kestrel/data/codecs/codecs.h>
#include <kestrel/data/file.h>
#include <kestrel/data/image.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace codecs {

void check_size(int64_t height, int64_t width, std::string_view name) {
  if (height <= 0 || width <= 0 || height > kMaxImagePixels / width) {
    fail<DataError>("[image] ", name, ": a size of ", width, "x", height,
                    " pixels is not possible (at most ", kMaxImagePixels, " pixels)");
  }
}

}  // namespace codecs

Image decode_image(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.empty()) fail<DataError>("[image] ", name, ": the file is empty");
  if (codecs::is_jpeg(bytes)) return codecs::decode_jpeg(bytes, name);
  if (codecs::is_png(bytes)) return codecs::decode_png(bytes, name);
  return codecs::decode_stb(bytes, name);
}

Image read_image(const std::filesystem::path& path) {
  return decode_image(read_file("image", path), path.string());
}

ImageSize image_size(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.empty()) fail<DataError>("[image] ", name, ": the file is empty");
  if (codecs::is_jpeg(bytes)) return codecs::jpeg_size(bytes, name);
  if (codecs::is_png(bytes)) return codecs::png_size(bytes, name);
  return codecs::stb_size(bytes, name);
}

ImageSize read_image_size(const std::filesystem::path& path) {
  const std::string name = path.string();
  constexpr size_t kMostHeaders = 64 << 10;
  const auto start = read_file_start("image", path, kMostHeaders);
  if (start.size() < kMostHeaders) return image_size(start, name);
  try {
    return image_size(start, name);
  } catch (const DataError&) {
    return image_size(read_file("image", path), name);  // a JPEG may have more before its size
  }
}

void write_jpeg(const std::filesystem::path& path, const Image& image, int quality) {
  write_file("image", path, encode_jpeg(image, quality));
}

void write_png(const std::filesystem::path& path, const Image& image) {
  write_file("image", path, encode_png(image));
}

void write_image(const std::filesystem::path& path, const Image& image) {
  const std::string extension = path.extension().string();
  if (extension == ".png" || extension == ".PNG") return write_png(path, image);
  if (extension == ".jpg" || extension == ".jpeg" || extension == ".JPG") {
    return write_jpeg(path, image);
  }
  fail<UsageError>("[image] ", path.string(), ": cannot write '", extension, "'; use .jpg or .png");
}

}  // namespace kestrel
