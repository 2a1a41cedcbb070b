#pragma once

#include <kestrel/kernels/dtype.h>
#include <kestrel/kernels/shape.h>

namespace kestrel {

/// Dense row-major memory that a kernel reads. Owns nothing. A null pointer with shape () stands
/// for an optional operand that is absent.
struct ConstView {
  const void* data = nullptr;
  DType dtype = DType::Float32;
  Shape shape;

  explicit operator bool() const { return data != nullptr; }
  int64_t numel() const { return shape.numel(); }
  int64_t size(int i) const { return shape[i]; }
  template <class T>
  const T* as() const {
    KESTREL_CHECK(dtype == dtype_of<T>, "[view] is ", dtype, ", used as ", dtype_of<T>);
    return static_cast<const T*>(data);
  }
};

/// Dense row-major memory that a kernel writes.
struct View {
  void* data = nullptr;
  DType dtype = DType::Float32;
  Shape shape;

  explicit operator bool() const { return data != nullptr; }
  operator ConstView() const {
    return {data, dtype, shape};
  }  // NOLINT(google-explicit-constructor)
  int64_t numel() const { return shape.numel(); }
  int64_t size(int i) const { return shape[i]; }
  template <class T>
  T* as() const {
    KESTREL_CHECK(dtype == dtype_of<T>, "[view] is ", dtype, ", used as ", dtype_of<T>);
    return static_cast<T*>(data);
  }
};

}  // namespace kestrel
