#pragma once

#include <memory>
#include <span>
#include <vector>

#include <kestrel/kernels/view.h>
#include <kestrel/tensor/device.h>
#include <kestrel/tensor/storage.h>

namespace kestrel {

/// A dense row-major array. Copies of a Tensor share its memory, as do reshapes and slices of the
/// leading dimension; everything else copies. A default-constructed Tensor is undefined: it has no
/// memory and stands for "none".
class Tensor {
 public:
  Tensor() = default;

  /// Uninitialised.
  static Tensor empty(const Shape& shape, DType dtype = DType::Float32, Device device = {});
  /// Uninitialised, with the shape, dtype and device of `x`.
  static Tensor empty_like(const Tensor& x) { return empty(x.shape(), x.dtype(), x.device()); }
  static Tensor zeros(const Shape& shape, DType dtype = DType::Float32, Device device = {});
  static Tensor full(const Shape& shape, double value, DType dtype = DType::Float32,
                     Device device = {});
  /// A copy of `values`, on the CPU.
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape);
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    return from(std::span<const T>(values), shape);
  }
  template <class T>
  static Tensor from(std::initializer_list<T> values, const Shape& shape) {
    return from(std::span<const T>(values.begin(), values.size()), shape);
  }
  /// A view of memory that `owner` keeps alive (a mapped file); must not be written to.
  static Tensor wrap(const void* memory, const Shape& shape, DType dtype,
                     std::shared_ptr<const void> owner);

  bool defined() const { return storage_ != nullptr; }
  explicit operator bool() const { return defined(); }
  const Shape& shape() const { return shape_; }
  int dims() const { return shape_.dims(); }
  int64_t size(int i) const { return shape_[i]; }
  int64_t numel() const { return shape_.numel(); }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_ ? storage_->device() : Device::cpu(); }
  size_t bytes() const { return static_cast<size_t>(numel() * size_of(dtype_)); }

  /// Memory as T; throws unless T is the dtype and the tensor is on the CPU.
  template <class T>
  T* data() {
    return const_cast<T*>(std::as_const(*this).data<T>());
  }
  template <class T>
  const T* data() const;
  template <class T>
  std::span<const T> values() const {
    return {data<T>(), static_cast<size_t>(numel())};
  }
  void* raw() { return memory(); }
  const void* raw() const { return memory(); }

  /// What kernels take. Of an undefined tensor: the absent operand.
  View view() { return {memory(), dtype_, shape_}; }
  ConstView view() const { return {memory(), dtype_, shape_}; }
  ConstView cview() const { return view(); }

  /// The same memory under another shape; one size may be -1 and is worked out.
  Tensor reshape(Shape shape) const;
  /// Rows [begin, end) of the leading dimension; shares memory.
  Tensor slice(int64_t begin, int64_t end) const;
  /// Row i of the leading dimension, without that dimension; shares memory.
  Tensor operator[](int64_t i) const;

  Tensor clone() const;
  /// A copy on another device or in another dtype; the tensor itself where nothing changes.
  Tensor to(Device device) const;
  Tensor to(DType dtype) const;
  /// Overwrites this tensor's values, converting dtype and device; shapes must agree.
  void copy_from(const Tensor& source);
  void fill(double value);

  /// The only value of a tensor of one element, from any device, as T.
  template <class T>
  T item() const;

  /// Whether no other Tensor shares this memory, so that it may be overwritten.
  bool unique() const { return storage_.use_count() == 1; }
  bool shares_memory_with(const Tensor& other) const { return storage_ == other.storage_; }

 private:
  Tensor(std::shared_ptr<Storage> storage, size_t offset, const Shape& shape, DType dtype)
      : storage_(std::move(storage)), offset_(offset), shape_(shape), dtype_(dtype) {}
  void* memory() const {
    return storage_ ? static_cast<std::byte*>(storage_->data()) + offset_ : nullptr;
  }

  std::shared_ptr<Storage> storage_;
  size_t offset_ = 0;  // bytes
  Shape shape_;
  DType dtype_ = DType::Float32;
};

/// Runs a kernel where the data is: cpu(args...) or gpu(args..., the device's current stream).
template <class CpuKernel, class GpuKernel, class... Args>
decltype(auto) run(Device device, CpuKernel cpu_kernel, GpuKernel gpu_kernel, Args&&... args);

/// Throws unless the two tensors have the same device.
void check_same_device(const char* op, const Tensor& a, const Tensor& b);

}  // namespace kestrel

#include <kestrel/tensor/tensor_inl.h>
