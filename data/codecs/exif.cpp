#include <algorithm>
#include <cstring>
#include <utility>

#include <kestrel/data/codecs/codecs.h>

namespace kestrel::codecs {
namespace {

// Reads integers of either byte order with every access checked against the end.
class TiffReader {
 public:
  TiffReader(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  void set_big_endian(bool big) { big_ = big; }
  bool has(size_t at, size_t count) const { return at <= size_ && count <= size_ - at; }
  uint32_t u16(size_t at) const {
    if (!has(at, 2)) return 0;
    return big_ ? uint32_t{data_[at]} << 8 | data_[at + 1]
                : uint32_t{data_[at + 1]} << 8 | data_[at];
  }
  uint32_t u32(size_t at) const {
    return big_ ? u16(at) << 16 | u16(at + 2) : u16(at + 2) << 16 | u16(at);
  }

 private:
  const uint8_t* data_;
  size_t size_;
  bool big_ = true;
};

// Tag 0x0112 of the first directory of a TIFF structure.
int tiff_orientation(const uint8_t* data, size_t size) {
  TiffReader tiff(data, size);
  if (!tiff.has(0, 8)) return 1;
  if (data[0] == 'I' && data[1] == 'I') {
    tiff.set_big_endian(false);
  } else if (data[0] != 'M' || data[1] != 'M') {
    return 1;
  }
  if (tiff.u16(2) != 42) return 1;
  const size_t directory = tiff.u32(4);
  const uint32_t entries = tiff.u16(directory);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (!tiff.has(entry, 12)) return 1;
    if (tiff.u16(entry) != 0x0112) continue;
    const uint32_t value = tiff.u16(entry + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace

int orientation_of_exif(Bytes exif) {
  const auto* data = reinterpret_cast<const uint8_t*>(exif.data());
  constexpr size_t kName = 6;
  const bool named = exif.size() >= kName && std::memcmp(data, "Exif\0\0", kName) == 0;
  const size_t begin = named ? kName : 0;
  return tiff_orientation(data + begin, exif.size() - begin);
}

int exif_orientation(Bytes jpeg) {
  const auto* data = reinterpret_cast<const uint8_t*>(jpeg.data());
  const TiffReader file(data, jpeg.size());
  size_t at = 2;  // after the start-of-image marker
  while (file.has(at, 4) && data[at] == 0xFF) {
    const uint8_t marker = data[at + 1];
    if (marker == 0xFF) {  // fill byte
      ++at;
      continue;
    }
    if (marker == 0xDA || marker == 0xD9) return 1;  // the picture itself, or the end
    const size_t length = file.u16(at + 2);
    if (length < 2 || !file.has(at + 2, length)) return 1;
    const uint8_t* body = data + at + 4;
    if (marker == 0xE1 && length >= 8 && std::memcmp(body, "Exif\0\0", 6) == 0) {
      return orientation_of_exif(jpeg.subspan(at + 4, length - 2));
    }
    at += 2 + length;
  }
  return 1;
}

Image apply_orientation(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transpose = orientation >= 5;
  const int64_t height = transpose ? image.width : image.height;
  const int64_t width = transpose ? image.height : image.width;
  // Where the pixel at (y, x) of the result comes from.
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out(height, width);
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* to = out.row(y);
    for (int64_t x = 0; x < width; ++x, to += 3) {
      int64_t from_y = transpose ? x : y;
      int64_t from_x = transpose ? y : x;
      if (flip_y) from_y = image.height - 1 - from_y;
      if (flip_x) from_x = image.width - 1 - from_x;
      std::memcpy(to, image.row(from_y) + 3 * from_x, 3);
    }
  }
  return out;
}

}  // namespace kestrel::codecs
