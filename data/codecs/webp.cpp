#include <webp/decode.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <kestrel/data/codecs/codecs.h>
#include <kestrel/kernels/error.h>

namespace kestrel::codecs {
namespace {

WebPBitstreamFeatures read_features(Bytes bytes, std::string_view name) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(unsigned_bytes(bytes), bytes.size(), &features) != VP8_STATUS_OK) {
    fail<DataError>("[image] ", name, ": not a usable WebP: its header is damaged or cut short");
  }
  if (features.has_animation != 0) {
    fail<DataError>("[image] ", name,
                    ": is an animated WebP, which is not read; convert a frame of it to PNG");
  }
  check_size(features.height, features.width, name);
  return features;
}

/// Of the chunk EXIF, which comes behind the pixels.
int webp_orientation(Bytes bytes) {
  constexpr size_t kFileHeader = 12, kChunkHeader = 8;
  const auto* data = unsigned_bytes(bytes);
  for (size_t at = kFileHeader; at + kChunkHeader <= bytes.size();) {
    uint32_t length = 0;
    std::memcpy(&length, data + at + 4, sizeof(length));
    const size_t left = bytes.size() - at - kChunkHeader;
    if (std::memcmp(data + at, "EXIF", 4) == 0) {
      return orientation_of_exif(bytes.subspan(at + kChunkHeader, std::min<size_t>(length, left)));
    }
    if (length >= left) return 1;
    at += kChunkHeader + length + length % 2;
  }
  return 1;
}

}  // namespace

bool is_webp(Bytes bytes) {
  return bytes.size() >= 12 && std::memcmp(bytes.data(), "RIFF", 4) == 0 &&
         std::memcmp(unsigned_bytes(bytes) + 8, "WEBP", 4) == 0;
}

ImageSize webp_size(Bytes bytes, std::string_view name) {
  const WebPBitstreamFeatures features = read_features(bytes, name);
  if (webp_orientation(bytes) >= 5) return {features.width, features.height};
  return {features.height, features.width};
}

Image decode_webp(Bytes bytes, std::string_view name) {
  const WebPBitstreamFeatures features = read_features(bytes, name);
  Image image(features.height, features.width);
  if (WebPDecodeRGBInto(unsigned_bytes(bytes), bytes.size(), image.pixels.data(),
                        image.pixels.size(), features.width * 3) == nullptr) {
    fail<DataError>("[image] ", name, ": WebP does not decode: it is damaged or cut short");
  }
  return apply_orientation(std::move(image), webp_orientation(bytes));
}

}  // namespace kestrel::codecs
