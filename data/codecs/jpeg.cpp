#include <turbojpeg.h>

#include <memory>
#include <string>

#include <kestrel/data/codecs/codecs.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>

namespace kestrel {
namespace codecs {
namespace {

struct Handle {
  explicit Handle(tjhandle h) : tj(h) {
    KESTREL_CHECK(tj != nullptr, "[image] libturbojpeg: ", tjGetErrorStr2(nullptr));
  }
  ~Handle() { tjDestroy(tj); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  tjhandle tj;
};

struct JpegHeader {
  int width = 0, height = 0, subsampling = 0, colorspace = 0;
};

// Whether the end's marker comes after the last scan's.
bool has_end(Bytes bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t scan = text.rfind("\xFF\xDA"), end = text.rfind("\xFF\xD9");
  return end != std::string_view::npos && (scan == std::string_view::npos || scan < end);
}

// Reads one file. Not kept for the next one: libjpeg would take tables that this lacks from the
// file before, and after one that ends within a table, find all others wrong.
class Decompressor {
 public:
  Decompressor(Bytes bytes, std::string_view name) : bytes_(bytes), name_(name) {
    if (tjDecompressHeader3(handle_.tj, unsigned_bytes(bytes), bytes.size(), &header_.width,
                            &header_.height, &header_.subsampling, &header_.colorspace) != 0) {
      fail<DataError>("[image] ", name, ": not a usable JPEG: ", tjGetErrorStr2(handle_.tj));
    }
    if (header_.width == 0 && header_.height == 0) {  // tables alone are a legal file
      fail<DataError>("[image] ", name, ": not a usable JPEG: it ends before the picture begins");
    }
    check_size(header_.height, header_.width, name);
  }

  const JpegHeader& header() const { return header_; }

  void decode(int format, uint8_t* pixels) const {
    const int flags = TJFLAG_LIMITSCANS;  // a progressive file of endless scans is an attack
    if (tjDecompress2(handle_.tj, unsigned_bytes(bytes_), bytes_.size(), pixels, header_.width, 0,
                      header_.height, format, flags) == 0) {
      return;
    }
    const std::string reason = tjGetErrorStr2(handle_.tj);
    const bool cut = !has_end(bytes_);
    if (tjGetErrorCode(handle_.tj) != TJERR_WARNING || cut) {
      fail<DataError>("[image] ", name_,
                      cut ? ": the file is cut short: " : ": JPEG does not decode: ", reason);
    }
    warn("[image] " + std::string(name_) + ": used although the decoder says: " + reason);
  }

 private:
  Bytes bytes_;
  std::string_view name_;
  Handle handle_{tjInitDecompress()};
  JpegHeader header_;
};

// Adobe's inverted CMYK, with OpenCV's rounding.
void cmyk_to_rgb(const std::vector<uint8_t>& cmyk, Image& image) {
  const size_t count = image.pixels.size() / 3;
  for (size_t i = 0; i < count; ++i) {
    const int k = cmyk[4 * i + 3];
    for (size_t c = 0; c < 3; ++c) {
      image.pixels[3 * i + c] = static_cast<uint8_t>(k - ((255 - cmyk[4 * i + c]) * k >> 8));
    }
  }
}

}  // namespace

bool is_jpeg(Bytes bytes) {
  return bytes.size() >= 3 && unsigned_bytes(bytes)[0] == 0xFF &&
         unsigned_bytes(bytes)[1] == 0xD8 && unsigned_bytes(bytes)[2] == 0xFF;
}

ImageSize jpeg_size(Bytes bytes, std::string_view name) {
  const JpegHeader h = Decompressor(bytes, name).header();
  if (exif_orientation(bytes) >= 5) return {h.width, h.height};
  return {h.height, h.width};
}

Image decode_jpeg(Bytes bytes, std::string_view name) {
  const Decompressor file(bytes, name);
  const JpegHeader& h = file.header();
  Image image(h.height, h.width);
  if (h.colorspace == TJCS_CMYK || h.colorspace == TJCS_YCCK) {
    std::vector<uint8_t> cmyk(static_cast<size_t>(h.width) * static_cast<size_t>(h.height) * 4);
    file.decode(TJPF_CMYK, cmyk.data());
    cmyk_to_rgb(cmyk, image);
  } else {
    file.decode(TJPF_RGB, image.pixels.data());
  }
  return apply_orientation(std::move(image), exif_orientation(bytes));
}

}  // namespace codecs

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  KESTREL_CHECK(!image.empty(), "[image] an empty image cannot be written as JPEG");
  KESTREL_CHECK(quality >= 1 && quality <= 100, "[image] JPEG quality must be 1..100, got ",
                quality);
  codecs::Handle handle(tjInitCompress());
  unsigned char* out = nullptr;
  unsigned long size = 0;
  const int status =
      tjCompress2(handle.tj, image.pixels.data(), static_cast<int>(image.width), 0,
                  static_cast<int>(image.height), TJPF_RGB, &out, &size,
                  quality >= 90 ? TJSAMP_444 : TJSAMP_420, quality, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owner(out, tjFree);
  KESTREL_CHECK(status == 0, "[image] JPEG does not encode: ", tjGetErrorStr2(handle.tj));
  const auto* first = reinterpret_cast<const std::byte*>(out);
  return {first, first + size};
}

}  // namespace kestrel
