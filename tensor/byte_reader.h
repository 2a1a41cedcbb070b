#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <kestrel/kernels/error.h>

namespace kestrel {

/// Takes little-endian numbers and runs of bytes off a file in memory, never past its end.
class ByteReader {
 public:
  /// `context` begins every message: "[pth] model.pth".
  ByteReader(std::span<const std::byte> bytes, std::string context)
      : bytes_(bytes), context_(std::move(context)) {}

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  /// Throws ModelFileError where the file has no such place.
  void seek(uint64_t position) {
    if (position > bytes_.size()) refuse(position);
    position_ = position;
  }
  std::span<const std::byte> take(uint64_t count) {
    if (count > left()) refuse(position_ + count);
    position_ += count;
    return bytes_.subspan(position_ - count, count);
  }
  std::string_view text(uint64_t count) {
    const auto part = take(count);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  template <class T>
  requires std::integral<T> || std::floating_point<T> T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  const std::string& context() const { return context_; }

 private:
  [[noreturn]] void refuse(uint64_t wanted) const {
    fail<ModelFileError>(context_, ": refers to byte ", wanted, " of ", bytes_.size(),
                         "; it is damaged or cut short");
  }

  std::span<const std::byte> bytes_;
  std::string context_;
  size_t position_ = 0;
};

}  // namespace kestrel
