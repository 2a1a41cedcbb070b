#include <kestrel/autograd/functions/shape_ops.h>

#include <kestrel/kernels/rows.h>

namespace kestrel::autograd {

Variable reshape(const Variable& x, const Shape& shape) {
  return record("reshape", {x}, x.data().reshape(shape),
                [from = x.shape()](std::span<Tensor> grads, const NeedsGrad&) {
                  return std::vector<Tensor>{grads[0].reshape(from)};
                });
}

Variable slice(const Variable& x, int64_t begin, int64_t end) {
  return record("slice", {x}, x.data().slice(begin, end),
                [shape = x.shape(), begin, end](std::span<Tensor> grads, const NeedsGrad&) {
                  Tensor grad_x = Tensor::empty(shape, grads[0].dtype(), grads[0].device());
                  grad_x.slice(0, begin).fill(0);
                  grad_x.slice(begin, end).copy_from(grads[0]);
                  grad_x.slice(end, shape[0]).fill(0);
                  return std::vector<Tensor>{grad_x};
                });
}

Variable narrow(const Variable& x, int dim, int64_t begin, int64_t end) {
  const Shape from = x.shape();
  const int axis = dim < 0 ? dim + from.dims() : dim;
  KESTREL_CHECK(0 <= axis && axis < from.dims(), "[narrow] there is no dimension ", dim, " in ",
                from);
  KESTREL_CHECK(0 <= begin && begin <= end && end <= from[axis], "[narrow] dimension ", axis,
                " of ", from, " has no indices ", begin, " to ", end);
  Shape shape = from;
  shape[axis] = end - begin;
  Tensor part = Tensor::empty(shape, x.dtype(), x.device());
  const int64_t inner = from.stride(axis), row = from[axis] * inner;
  const int64_t length = shape[axis] * inner;
  int64_t count = 1;
  for (int i = 0; i < axis; ++i) count *= from[i];
  const Blocks taken{begin * inner, row}, whole{0, length};
  run(x.device(), cpu::copy_blocks, gpu::copy_blocks, x.view(), taken, part.view(), whole, count,
      length);
  return record("narrow", {x}, std::move(part), [=](std::span<Tensor> grads, const NeedsGrad&) {
    Tensor grad_x = Tensor::zeros(from, grads[0].dtype(), grads[0].device());
    run(grad_x.device(), cpu::copy_blocks, gpu::copy_blocks, grads[0].cview(), whole, grad_x.view(),
        taken, count, length);
    return std::vector<Tensor>{grad_x};
  });
}

Variable concat(const std::vector<Variable>& parts, int dim) {
  KESTREL_CHECK(!parts.empty(), "[concat] nothing to join");
  const Variable& front = parts.front();
  const int dims = front.shape().dims();
  const int axis = dim < 0 ? dim + dims : dim;
  KESTREL_CHECK(0 <= axis && axis < dims, "[concat] there is no dimension ", dim, " in ",
                front.shape());
  Shape shape = front.shape();
  shape[axis] = 0;
  std::vector<Shape> shapes;
  for (const Variable& part : parts) {
    Shape expected = part.shape();
    if (expected.dims() == dims) expected[axis] = front.shape()[axis];
    KESTREL_CHECK(expected == front.shape() && part.dtype() == front.dtype(), "[concat] ",
                  part.dtype(), part.shape(), " does not fit ", front.dtype(), front.shape(),
                  " along dimension ", axis);
    check_same_device("concat", front.data(), part.data());
    shape[axis] += part.shape()[axis];
    shapes.push_back(part.shape());
  }

  Tensor joined = Tensor::empty(shape, front.dtype(), front.device());
  const int64_t inner = shape.stride(axis), row = shape[axis] * inner;
  int64_t count = 1;
  for (int i = 0; i < axis; ++i) count *= shape[i];
  int64_t start = 0;
  for (const Variable& part : parts) {
    const int64_t length = part.shape()[axis] * inner;
    run(joined.device(), cpu::copy_blocks, gpu::copy_blocks, part.view(), Blocks{0, length},
        joined.view(), Blocks{start, row}, count, length);
    start += length;
  }
  return record("concat", parts, std::move(joined),
                [shapes, axis, inner, row, count](std::span<Tensor> grads, const NeedsGrad& needs) {
                  std::vector<Tensor> result(shapes.size());
                  int64_t first = 0;
                  for (size_t i = 0; i < shapes.size(); ++i) {
                    const int64_t length = shapes[i][axis] * inner;
                    if (needs[i]) {
                      result[i] = Tensor::empty(shapes[i], grads[0].dtype(), grads[0].device());
                      run(grads[0].device(), cpu::copy_blocks, gpu::copy_blocks, grads[0].cview(),
                          Blocks{first, row}, result[i].view(), Blocks{0, length}, count, length);
                    }
                    first += length;
                  }
                  return result;
                });
}

Variable gather_rows(const Variable& x, const Tensor& indices) {
  KESTREL_CHECK(x.shape().dims() >= 1, "[gather_rows] x has no rows: ", x.shape());
  check_same_device("gather_rows", x.data(), indices);
  Shape shape = x.shape();
  shape[0] = indices.numel();
  Tensor rows = Tensor::empty(shape, x.dtype(), x.device());
  run(x.device(), cpu::gather_rows, gpu::gather_rows, x.view(), indices.view(), rows.view());
  return record("gather_rows", {x}, std::move(rows),
                [indices, from = x.shape()](std::span<Tensor> grads, const NeedsGrad&) {
                  Tensor grad_x = Tensor::empty(from, grads[0].dtype(), grads[0].device());
                  run(grad_x.device(), cpu::scatter_add_rows, gpu::scatter_add_rows,
                      grads[0].cview(), indices.view(), grad_x.view());
                  return std::vector<Tensor>{grad_x};
                });
}

Variable cast(const Variable& x, DType dtype) {
  KESTREL_CHECK(is_floating(dtype), "[cast] to a floating dtype, got ", dtype);
  if (dtype == x.dtype()) return x;
  return record("cast", {x}, x.data().to(dtype),
                [from = x.dtype()](std::span<Tensor> grads, const NeedsGrad&) {
                  return std::vector<Tensor>{grads[0].to(from)};
                });
}

}  // namespace kestrel::autograd
