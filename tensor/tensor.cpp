#include <kestrel/tensor/tensor.h>

#include <kestrel/kernels/copy.h>

namespace kestrel {

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  int64_t count = 1;
  for (const int64_t size : shape) {
    KESTREL_CHECK(size >= 0, "[tensor] sizes must not be negative, got ", shape);
    KESTREL_CHECK(!__builtin_mul_overflow(count, size, &count) && count < (int64_t{1} << 56),
                  "[tensor] shape ", shape, " has too many elements");
  }
  const auto bytes = static_cast<size_t>(count * size_of(dtype));
  return {std::make_shared<Storage>(bytes, device), 0, shape, dtype};
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor result = empty(shape, dtype, device);
  result.fill(value);
  return result;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  return full(shape, 0, dtype, device);
}

Tensor Tensor::wrap(const void* memory, const Shape& shape, DType dtype,
                    std::shared_ptr<const void> owner) {
  const auto bytes = static_cast<size_t>(shape.numel() * size_of(dtype));
  return {std::make_shared<Storage>(const_cast<void*>(memory), bytes, std::move(owner)), 0, shape,
          dtype};
}

Tensor Tensor::reshape(Shape shape) const {
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < shape.dims(); ++i) {
    if (shape[i] == -1) {
      KESTREL_CHECK(unknown < 0, "[reshape] only one size may be -1, got ", shape);
      unknown = i;
    } else {
      known *= shape[i];
    }
  }
  if (unknown >= 0 && known > 0) shape[unknown] = numel() / known;
  KESTREL_CHECK((unknown < 0 || known > 0) && shape.numel() == numel(), "[reshape] ", shape_,
                " cannot become ", shape);
  return {storage_, offset_, shape, dtype_};
}

Tensor Tensor::slice(int64_t begin, int64_t end) const {
  KESTREL_CHECK(dims() > 0 && 0 <= begin && begin <= end && end <= size(0), "[slice] rows [", begin,
                ", ", end, ") of shape ", shape_);
  Shape shape = shape_;
  shape[0] = end - begin;
  const int64_t row = shape_.stride(0) * size_of(dtype_);
  return {storage_, offset_ + static_cast<size_t>(begin * row), shape, dtype_};
}

Tensor Tensor::operator[](int64_t i) const {
  const Tensor row = slice(i, i + 1);
  return {row.storage_, row.offset_,
          Shape(std::span(shape_.begin() + 1, static_cast<size_t>(dims() - 1))), dtype_};
}

Tensor Tensor::clone() const {
  if (!defined()) return {};
  Tensor result = empty(shape_, dtype_, device());
  result.copy_from(*this);
  return result;
}

Tensor Tensor::to(Device target) const {
  if (!defined() || target == device()) return *this;
  Tensor result = empty(shape_, dtype_, target);
  result.copy_from(*this);
  return result;
}

Tensor Tensor::to(DType target) const {
  if (!defined() || target == dtype_) return *this;
  Tensor result = empty(shape_, target, device());
  run(device(), cpu::convert, gpu::convert, view(), result.view());
  return result;
}

void Tensor::copy_from(const Tensor& source) {
  KESTREL_CHECK(shape_ == source.shape_, "[copy] ", source.shape_, " does not fit ", shape_);
  if (source.device() == device()) {
    run(device(), cpu::convert, gpu::convert, source.view(), view());
  } else if (source.dtype_ != dtype_) {
    copy_from(source.to(dtype_));
  } else if (device().is_cuda() && source.device().is_cuda()) {
    copy_from(source.to(Device::cpu()));
  } else if (device().is_cuda()) {
    gpu::copy_to_device(raw(), source.raw(), bytes(), gpu::current_stream(device().index()));
  } else {
    gpu::copy_to_host(raw(), source.raw(), bytes(), gpu::current_stream(source.device().index()));
  }
}

void Tensor::fill(double value) {
  run(device(), cpu::fill, gpu::fill, view(), value);
}

void check_same_device(const char* op, const Tensor& a, const Tensor& b) {
  KESTREL_CHECK(a.device() == b.device(), "[", op, "] operands are on ", a.device(), " and ",
                b.device());
}

}  // namespace kestrel
