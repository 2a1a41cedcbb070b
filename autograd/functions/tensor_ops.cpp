#include <kestrel/autograd/functions/tensor_ops.h>

#include <kestrel/kernels/common/broadcast.h>
#include <kestrel/kernels/reduce.h>
#include <kestrel/kernels/strided_copy.h>

namespace kestrel::autograd {

Tensor mapped(const Tensor& x, const UnaryParams& function) {
  Tensor y = Tensor::empty_like(x);
  run(x.device(), cpu::unary_forward, gpu::unary_forward, x.view(), y.view(), function);
  return y;
}

Tensor joined(BinaryOp op, const Tensor& a, const Tensor& b) {
  Tensor result =
      Tensor::empty(broadcast_shape("binary", a.shape(), b.shape()), a.dtype(), a.device());
  run(a.device(), cpu::binary_forward, gpu::binary_forward, op, a.view(), b.view(), result.view());
  return result;
}

int dimension_of(const char* op, int dim, const Shape& shape) {
  const int result = dim < 0 ? dim + shape.dims() : dim;
  KESTREL_CHECK(0 <= result && result < shape.dims(), "[", op, "] there is no dimension ", dim,
                " in ", shape);
  return result;
}

Tensor sum_over(const Tensor& x, const std::vector<bool>& reduced, double scale) {
  Tensor result = x;
  Shape shape = x.shape();
  bool summed = false;
  // Neighbouring dimensions at once, the last ones first.
  for (int end = shape.dims(); end > 0;) {
    int begin = end - 1;
    const bool wanted = reduced[static_cast<size_t>(begin)];
    while (begin > 0 && reduced[static_cast<size_t>(begin - 1)] == wanted) --begin;
    if (wanted) {
      Axis axis{1, 1, shape.stride(end - 1)};
      for (int d = 0; d < begin; ++d) axis.outer *= shape[d];
      for (int d = begin; d < end; ++d) {
        axis.length *= shape[d];
        shape[d] = 1;
      }
      if (axis.length != 1) {
        const DType dtype = x.dtype() == DType::BFloat16 ? DType::Float32 : x.dtype();
        Tensor sums = Tensor::empty(shape, dtype, x.device());
        run(x.device(), cpu::sum_axis, gpu::sum_axis, result.cview(), axis, summed ? 1.0 : scale,
            sums.view());
        result = sums;
        summed = true;
      }
    }
    end = begin;
  }
  if (summed || scale == 1) return result.reshape(shape).to(x.dtype());
  return mapped(result, {UnaryOp::Affine, scale, 0}).reshape(shape);
}

Tensor sum_to(const Tensor& grad, const Shape& shape) {
  if (grad.shape() == shape) return grad;
  const int more = grad.dims() - shape.dims();
  std::vector<bool> reduced;
  for (int d = 0; d < grad.dims(); ++d) {
    reduced.push_back(d < more || (shape[d - more] == 1 && grad.size(d) != 1));
  }
  return sum_over(grad, reduced).reshape(shape);
}

Tensor expanded(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const int more = shape.dims() - x.dims();
  KESTREL_CHECK(more >= 0, "[expand] ", x.shape(), " has more dimensions than ", shape);
  Walk walk;
  for (int d = 0; d < shape.dims(); ++d) {
    const int64_t own = d < more ? 1 : x.size(d - more);
    KESTREL_CHECK(own == shape[d] || own == 1, "[expand] ", x.shape(), " does not repeat to ",
                  shape);
    walk.add(shape[d], own == 1 ? 0 : x.shape().stride(d - more), shape.stride(d));
  }
  Tensor result = Tensor::empty(shape, x.dtype(), x.device());
  run(x.device(), cpu::strided_copy, gpu::strided_copy, x.view(), result.view(), walk);
  return result;
}

}  // namespace kestrel::autograd
