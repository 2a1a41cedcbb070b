// PBM, PGM and PPM, as text (P1 to P3) and as bytes (P4 to P6); netpbm's manual describes them.
#include <algorithm>
#include <cctype>

#include <kestrel/data/codecs/codecs.h>
#include <kestrel/kernels/error.h>

namespace kestrel::codecs {
namespace {

constexpr int64_t kMostNumber = 100'000'000;

class PnmReader {
 public:
  PnmReader(Bytes bytes, std::string_view name) : bytes_(bytes), name_(name) {
    kind_ = static_cast<char>(bytes[1]);
    at_ = 2;
    width_ = number("width");
    height_ = number("height");
    if (!is_bitmap()) most_ = number("largest value");
    check_size(height_, width_, name);
    if (most_ < 1 || most_ > 65535) refuse("its largest value is ", most_, ", not 1 to 65535");
  }

  ImageSize size() const { return {height_, width_}; }

  Image decode() {
    const int64_t samples = width_ * height_ * (is_colour() ? 3 : 1);
    const auto left = static_cast<int64_t>(bytes_.size() - std::min(at_, bytes_.size()));
    const int64_t needed = is_text()      ? samples
                           : kind_ == '4' ? (width_ + 7) / 8 * height_ + 1
                                          : samples * (most_ > 255 ? 2 : 1) + 1;
    if (left < needed) cut_short();
    if (!is_text()) ++at_;  // one blank
    Image image(height_, width_);
    for (int64_t y = 0; y < height_; ++y) {
      uint8_t* row = image.row(y);
      for (int64_t x = 0; x < width_; ++x) {
        for (int64_t c = 0; c < 3; ++c) {
          row[3 * x + c] = c > 0 && !is_colour() ? row[3 * x] : sample(x);
        }
      }
      if (kind_ == '4') at_ += static_cast<size_t>((width_ + 7) / 8);
    }
    return image;
  }

 private:
  bool is_bitmap() const { return kind_ == '1' || kind_ == '4'; }
  bool is_colour() const { return kind_ == '3' || kind_ == '6'; }
  bool is_text() const { return kind_ <= '3'; }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail<DataError>("[image] ", name_, ": not a usable PNM: ", parts...);
  }
  [[noreturn]] void cut_short() const {
    if (height_ == 0) fail<DataError>("[image] ", name_, ": its header is cut short");
    fail<DataError>("[image] ", name_, ": the file is cut short: ", width_, "x", height_,
                    " pixels cannot be in ", bytes_.size(), " bytes");
  }

  int byte() const { return at_ < bytes_.size() ? static_cast<int>(bytes_[at_]) : -1; }

  /// Blanks, and comments up to their line's end.
  void skip_blanks() {
    while (true) {
      if (byte() == '#') {
        while (byte() >= 0 && byte() != '\n' && byte() != '\r') ++at_;
      } else if (byte() >= 0 && std::isspace(byte()) != 0) {
        ++at_;
      } else {
        return;
      }
    }
  }

  int64_t number(const char* what) {
    skip_blanks();
    if (byte() < 0) cut_short();
    if (std::isdigit(byte()) == 0) refuse("its ", what, " is no number");
    int64_t value = 0;
    for (; byte() >= 0 && std::isdigit(byte()) != 0; ++at_) {
      value = value * 10 + (byte() - '0');
      if (value >= kMostNumber) refuse("a ", what, " in it is too large");
    }
    return value;
  }

  /// The next sample, of column x, as 0 to 255.
  uint8_t sample(int64_t x) {
    if (kind_ == '1') {
      skip_blanks();
      const int bit = byte();
      if (bit < 0) cut_short();
      if (bit != '0' && bit != '1') refuse("a pixel is neither 0 nor 1");
      ++at_;
      return bit == '1' ? 0 : 255;
    }
    if (kind_ == '4') {
      const auto bits = static_cast<unsigned>(bytes_[at_ + static_cast<size_t>(x / 8)]);
      return (bits >> (7 - x % 8) & 1U) != 0 ? 0 : 255;
    }
    int64_t value = 0;
    if (is_text()) {
      value = number("value");
    } else {
      value = static_cast<int64_t>(bytes_[at_++]);
      if (most_ > 255) value = value << 8 | static_cast<int64_t>(bytes_[at_++]);
    }
    value = std::min(value, most_);
    if (most_ == 255) return static_cast<uint8_t>(value);
    if (most_ == 65535) return static_cast<uint8_t>(value >> 8);  // as 16 bits of other files
    return static_cast<uint8_t>((value * 255 + most_ / 2) / most_);
  }

  Bytes bytes_;
  std::string_view name_;
  size_t at_ = 0;
  char kind_ = '6';
  int64_t width_ = 0, height_ = 0, most_ = 1;
};

}  // namespace

bool is_pnm(Bytes bytes) {
  if (bytes.size() < 3 || unsigned_bytes(bytes)[0] != 'P') return false;
  const int kind = unsigned_bytes(bytes)[1], next = unsigned_bytes(bytes)[2];
  return kind >= '1' && kind <= '6' && (std::isspace(next) != 0 || next == '#');
}

ImageSize pnm_size(Bytes bytes, std::string_view name) {
  return PnmReader(bytes, name).size();
}

Image decode_pnm(Bytes bytes, std::string_view name) {
  return PnmReader(bytes, name).decode();
}

}  // namespace kestrel::codecs
