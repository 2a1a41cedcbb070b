#include <turbojpeg.h>

#include <cstring>
#include <limits>
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

// One decompressor per thread: making one costs as much as a small image.
std::unique_ptr<Handle>& own_decompressor() {
  thread_local std::unique_ptr<Handle> handle;
  return handle;
}

tjhandle decompressor() {
  auto& handle = own_decompressor();
  if (!handle) handle = std::make_unique<Handle>(tjInitDecompress());
  return handle->tj;
}

// What went wrong. The decompressor is made anew: libturbojpeg keeps tables of a file that ended
// within them, and would find the next file wrong.
std::string take_error() {
  std::string reason = tjGetErrorStr2(decompressor());
  own_decompressor().reset();
  return reason;
}

const unsigned char* data(Bytes bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

struct Header {
  int width = 0, height = 0, subsampling = 0, colorspace = 0;
};

Header read_header(Bytes bytes, std::string_view name) {
  Header h;
  if (tjDecompressHeader3(decompressor(), data(bytes), bytes.size(), &h.width, &h.height,
                          &h.subsampling, &h.colorspace) != 0) {
    fail<DataError>("[image] ", name, ": not a usable JPEG: ", take_error());
  }
  if (h.width == 0 && h.height == 0) {  // tables alone are a legal file
    take_error();
    fail<DataError>("[image] ", name, ": not a usable JPEG: it ends before the picture begins");
  }
  check_size(h.height, h.width, name);
  return h;
}

void decode_into(Bytes bytes, std::string_view name, const Header& h, int format, uint8_t* pixels) {
  const int flags = TJFLAG_LIMITSCANS;  // a progressive file of endless scans is an attack
  if (tjDecompress2(decompressor(), data(bytes), bytes.size(), pixels, h.width, 0, h.height, format,
                    flags) == 0) {
    return;
  }
  const bool usable = tjGetErrorCode(decompressor()) == TJERR_WARNING;
  const std::string reason = take_error();
  const bool cut = reason.find("Premature end") != std::string::npos;
  if (!usable || cut) {
    fail<DataError>("[image] ", name,
                    cut ? ": the file is cut short: " : ": JPEG does not decode: ", reason);
  }
  warn("[image] " + std::string(name) + ": used although the decoder says: " + reason);
}

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
  return bytes.size() >= 3 && data(bytes)[0] == 0xFF && data(bytes)[1] == 0xD8 &&
         data(bytes)[2] == 0xFF;
}

ImageSize jpeg_size(Bytes bytes, std::string_view name) {
  const Header h = read_header(bytes, name);
  if (exif_orientation(bytes) >= 5) return {h.width, h.height};
  return {h.height, h.width};
}

Image decode_jpeg(Bytes bytes, std::string_view name) {
  const Header h = read_header(bytes, name);
  Image image(h.height, h.width);
  if (h.colorspace == TJCS_CMYK || h.colorspace == TJCS_YCCK) {
    std::vector<uint8_t> cmyk(static_cast<size_t>(h.width) * static_cast<size_t>(h.height) * 4);
    decode_into(bytes, name, h, TJPF_CMYK, cmyk.data());
    cmyk_to_rgb(cmyk, image);
  } else {
    decode_into(bytes, name, h, TJPF_RGB, image.pixels.data());
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
