#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/data/codecs/codecs.h>
#include <kestrel/kernels/error.h>

namespace kestrel::codecs {
namespace {

constexpr tmsize_t kMostMemory = tmsize_t{1} << 30;

/// A file in memory, as libtiff's callbacks see it, and the first thing that was wrong.
struct MemoryFile {
  Bytes bytes;
  toff_t at = 0;
  std::string reason = {};
};

tmsize_t read_memory(thandle_t handle, void* out, tmsize_t count) {
  auto& file = *static_cast<MemoryFile*>(handle);
  if (file.at >= file.bytes.size() || count <= 0) return 0;
  const size_t got = std::min<size_t>(static_cast<size_t>(count), file.bytes.size() - file.at);
  std::memcpy(out, file.bytes.data() + file.at, got);
  file.at += got;
  return static_cast<tmsize_t>(got);
}

tmsize_t write_memory(thandle_t, void*, tmsize_t) {
  return -1;
}

toff_t seek_memory(thandle_t handle, toff_t offset, int whence) {
  auto& file = *static_cast<MemoryFile*>(handle);
  const toff_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file.at : file.bytes.size();
  return file.at = from + offset;
}

int close_memory(thandle_t) {
  return 0;
}

toff_t memory_size(thandle_t handle) {
  return static_cast<MemoryFile*>(handle)->bytes.size();
}

int on_tiff_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  auto& reason = static_cast<MemoryFile*>(user)->reason;
  if (!reason.empty()) return 1;
  char text[256];
  std::vsnprintf(text, sizeof(text), format, arguments);
  reason = text;
  return 1;
}

int on_tiff_warning(TIFF*, void*, const char*, const char*, va_list) {
  return 1;
}

/// The first page of a file.
class TiffFile {
 public:
  TiffFile(Bytes bytes, std::string_view name) : file_{.bytes = bytes}, name_(name) {
    const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(
        TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kMostMemory);
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_tiff_error, &file_);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_tiff_warning, nullptr);
    // m: without mapping it, which it is already.
    tiff_.reset(TIFFClientOpenExt("image", "rm", &file_, read_memory, write_memory, seek_memory,
                                  close_memory, memory_size, nullptr, nullptr, options.get()));
    if (!tiff_) refuse("not a usable TIFF: ");
    uint32_t width = 0, height = 0;
    TIFFGetField(tiff_.get(), TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(tiff_.get(), TIFFTAG_IMAGELENGTH, &height);
    check_size(height, width, name);
    width_ = width;
    height_ = height;
    uint16_t orientation = 1;
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_ORIENTATION, &orientation);
    orientation_ = orientation;
  }

  ImageSize size() const {
    return orientation_ >= 5 && orientation_ <= 8 ? ImageSize{width_, height_}
                                                  : ImageSize{height_, width_};
  }

  Image decode() {
    ignore_alpha();
    TIFFRGBAImage reader;
    char message[1024] = "";
    constexpr int kStopOnError = 1;
    if (TIFFRGBAImageOK(tiff_.get(), message) == 0 ||
        TIFFRGBAImageBegin(&reader, tiff_.get(), kStopOnError, message) == 0) {
      if (file_.reason.empty()) file_.reason = message;
      refuse("a TIFF of a kind that is not read: ");
    }
    const std::unique_ptr<TIFFRGBAImage, void (*)(TIFFRGBAImage*)> end(&reader, TIFFRGBAImageEnd);
    // As stored; turned afterwards.
    reader.orientation = reader.req_orientation = ORIENTATION_TOPLEFT;
    std::vector<uint32_t> pixels(static_cast<size_t>(width_ * height_));
    if (TIFFRGBAImageGet(&reader, pixels.data(), static_cast<uint32_t>(width_),
                         static_cast<uint32_t>(height_)) == 0) {
      refuse("TIFF does not decode: ");
    }
    Image image(height_, width_);
    for (size_t i = 0; i < pixels.size(); ++i) {
      image.pixels[3 * i] = static_cast<uint8_t>(TIFFGetR(pixels[i]));
      image.pixels[3 * i + 1] = static_cast<uint8_t>(TIFFGetG(pixels[i]));
      image.pixels[3 * i + 2] = static_cast<uint8_t>(TIFFGetB(pixels[i]));
    }
    return apply_orientation(std::move(image), orientation_);
  }

 private:
  [[noreturn]] void refuse(const char* what) const {
    fail<DataError>("[image] ", name_, ": ", what,
                    file_.reason.empty() ? "it is damaged or cut short" : file_.reason);
  }

  /// libtiff would multiply colours by an alpha that they were not multiplied by.
  void ignore_alpha() {
    uint16_t count = 0;
    uint16_t* kinds = nullptr;
    if (TIFFGetField(tiff_.get(), TIFFTAG_EXTRASAMPLES, &count, &kinds) == 0 || count == 0) return;
    std::vector<uint16_t> multiplied(kinds, kinds + count);
    std::ranges::replace(multiplied, EXTRASAMPLE_UNASSALPHA, EXTRASAMPLE_ASSOCALPHA);
    TIFFSetField(tiff_.get(), TIFFTAG_EXTRASAMPLES, count, multiplied.data());
  }

  MemoryFile file_;
  std::string_view name_;
  std::unique_ptr<TIFF, void (*)(TIFF*)> tiff_{nullptr, TIFFClose};
  int64_t width_ = 0, height_ = 0;
  int orientation_ = 1;
};

}  // namespace

bool is_tiff(Bytes bytes) {
  if (bytes.size() < 4) return false;
  // The order of bytes, and 42 in it; 43 for files beyond 4 GB.
  constexpr std::array<std::array<uint8_t, 4>, 4> kMagic{
      {{'I', 'I', 42, 0}, {'M', 'M', 0, 42}, {'I', 'I', 43, 0}, {'M', 'M', 0, 43}}};
  return std::ranges::any_of(
      kMagic, [&](const auto& magic) { return std::memcmp(bytes.data(), magic.data(), 4) == 0; });
}

ImageSize tiff_size(Bytes bytes, std::string_view name) {
  return TiffFile(bytes, name).size();
}

Image decode_tiff(Bytes bytes, std::string_view name) {
  return TiffFile(bytes, name).decode();
}

}  // namespace kestrel::codecs
