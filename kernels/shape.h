#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>

#include <kestrel/kernels/error.h>

namespace kestrel {

/// Sizes of a tensor, outermost first; row-major. Zero is a legal size everywhere.
class Shape {
 public:
  static constexpr int kMaxDims = 6;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const int64_t> sizes) {
    KESTREL_CHECK(sizes.size() <= kMaxDims, "[shape] at most ", kMaxDims, " dimensions, got ",
                  sizes.size());
    for (const int64_t size : sizes) sizes_[static_cast<size_t>(dims_++)] = size;
  }

  int dims() const { return dims_; }
  /// Size of dimension i; negative i counts from the end.
  int64_t operator[](int i) const { return sizes_[static_cast<size_t>(i < 0 ? i + dims_ : i)]; }
  int64_t& operator[](int i) { return sizes_[static_cast<size_t>(i < 0 ? i + dims_ : i)]; }
  const int64_t* begin() const { return sizes_.data(); }
  const int64_t* end() const { return sizes_.data() + dims_; }

  int64_t numel() const {
    int64_t count = 1;
    for (const int64_t size : *this) count *= size;
    return count;
  }
  /// Elements below one step of dimension i: the product of the sizes after it.
  int64_t stride(int i) const {
    int64_t count = 1;
    for (int j = (i < 0 ? i + dims_ : i) + 1; j < dims_; ++j) count *= (*this)[j];
    return count;
  }

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.dims_ != b.dims_) return false;
    for (int i = 0; i < a.dims_; ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }
  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '(';
    for (int i = 0; i < shape.dims(); ++i) out << (i ? ", " : "") << shape[i];
    return out << ')';
  }

 private:
  std::array<int64_t, kMaxDims> sizes_{};
  int dims_ = 0;
};

}  // namespace kestrel
