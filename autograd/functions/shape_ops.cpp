#include <kestrel/autograd/functions/shape_ops.h>

#include <algorithm>
#include <utility>

#include <kestrel/autograd/functions/axis_of.h>
#include <kestrel/autograd/functions/tensor_ops.h>
#include <kestrel/kernels/gather.h>
#include <kestrel/kernels/layout.h>
#include <kestrel/kernels/rows.h>
#include <kestrel/kernels/strided_copy.h>

namespace kestrel::autograd {
namespace {

/// Copies indices [begin, begin + length) of a dimension to those from to_begin on.
void move_slices(const Tensor& from, Tensor to, int dim, int64_t begin, int64_t to_begin,
                 int64_t length) {
  const Axis source = axis_of(from.shape(), dim), target = axis_of(to.shape(), dim);
  Walk walk{.from_start = begin * source.inner, .to_start = to_begin * target.inner};
  walk.add(source.outer, source.length * source.inner, target.length * target.inner);
  walk.add(length * source.inner, 1, 1);
  run(to.device(), cpu::strided_copy, gpu::strided_copy, from.view(), to.view(), walk);
}

Tensor permuted(const Tensor& x, const std::vector<int>& order) {
  Shape shape = x.shape();
  Walk walk;
  for (size_t i = 0; i < order.size(); ++i) shape[static_cast<int>(i)] = x.size(order[i]);
  for (int d = 0; d < shape.dims(); ++d) {
    walk.add(shape[d], x.shape().stride(order[static_cast<size_t>(d)]), shape.stride(d));
  }
  Tensor result = Tensor::empty(shape, x.dtype(), x.device());
  // Matrices one behind the other, transposed, have a kernel of their own.
  const int last = walk.dims - 1;
  const bool in_batch = walk.dims == 3 && walk.from_strides[0] == walk.to_strides[0];
  if ((walk.dims == 2 || in_batch) && walk.from_strides[last - 1] == 1 && x.numel() > 0) {
    const int64_t rows = walk.sizes[last], columns = walk.sizes[last - 1];
    const int64_t count = in_batch ? walk.sizes[0] : 1;
    run(x.device(), cpu::nchw_to_nhwc, gpu::nchw_to_nhwc,
        x.reshape({count, rows, 1, columns}).view(),
        result.reshape({count, 1, columns, rows}).view());
    return result;
  }
  run(x.device(), cpu::strided_copy, gpu::strided_copy, x.view(), result.view(), walk);
  return result;
}

}  // namespace

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
  const int axis = dimension_of("narrow", dim, from);
  KESTREL_CHECK(0 <= begin && begin <= end && end <= from[axis], "[narrow] dimension ", axis,
                " of ", from, " has no indices ", begin, " to ", end);
  Shape shape = from;
  shape[axis] = end - begin;
  Tensor part = Tensor::empty(shape, x.dtype(), x.device());
  move_slices(x.data(), part, axis, begin, 0, end - begin);
  return record("narrow", {x}, std::move(part), [=](std::span<Tensor> grads, const NeedsGrad&) {
    Tensor grad_x = Tensor::zeros(from, grads[0].dtype(), grads[0].device());
    move_slices(grads[0], grad_x, axis, 0, begin, end - begin);
    return std::vector<Tensor>{grad_x};
  });
}

Variable concat(const std::vector<Variable>& parts, int dim) {
  KESTREL_CHECK(!parts.empty(), "[concat] nothing to join");
  const Variable& front = parts.front();
  const int axis = dimension_of("concat", dim, front.shape());
  Shape shape = front.shape();
  shape[axis] = 0;
  std::vector<Shape> shapes;
  for (const Variable& part : parts) {
    Shape expected = part.shape();
    if (expected.dims() == shape.dims()) expected[axis] = front.shape()[axis];
    KESTREL_CHECK(expected == front.shape() && part.dtype() == front.dtype(), "[concat] ",
                  part.dtype(), part.shape(), " does not fit ", front.dtype(), front.shape(),
                  " along dimension ", axis);
    check_same_device("concat", front.data(), part.data());
    shape[axis] += part.shape()[axis];
    shapes.push_back(part.shape());
  }

  Tensor joined_parts = Tensor::empty(shape, front.dtype(), front.device());
  int64_t start = 0;
  for (const Variable& part : parts) {
    move_slices(part.data(), joined_parts, axis, 0, start, part.shape()[axis]);
    start += part.shape()[axis];
  }
  return record("concat", parts, std::move(joined_parts),
                [shapes, axis](std::span<Tensor> grads, const NeedsGrad& needs) {
                  std::vector<Tensor> result(shapes.size());
                  int64_t first = 0;
                  for (size_t i = 0; i < shapes.size(); ++i) {
                    if (needs[i]) {
                      result[i] = Tensor::empty(shapes[i], grads[0].dtype(), grads[0].device());
                      move_slices(grads[0], result[i], axis, first, 0, shapes[i][axis]);
                    }
                    first += shapes[i][axis];
                  }
                  return result;
                });
}

Variable permute(const Variable& x, const std::vector<int>& order) {
  const Shape from = x.shape();
  KESTREL_CHECK(std::ssize(order) == from.dims(), "[permute] ", order.size(), " dimensions for ",
                from);
  std::vector<int> forward, inverse(order.size(), -1);
  for (size_t i = 0; i < order.size(); ++i) {
    forward.push_back(dimension_of("permute", order[i], from));
    int& back = inverse[static_cast<size_t>(forward.back())];
    KESTREL_CHECK(back < 0, "[permute] dimension ", order[i], " is named twice");
    back = static_cast<int>(i);
  }
  return record("permute", {x}, permuted(x.data(), forward),
                [inverse](std::span<Tensor> grads, const NeedsGrad&) {
                  return std::vector<Tensor>{permuted(grads[0], inverse)};
                });
}

Variable transpose(const Variable& x, int a, int b) {
  std::vector<int> order;
  for (int d = 0; d < x.shape().dims(); ++d) order.push_back(d);
  std::swap(order[static_cast<size_t>(dimension_of("transpose", a, x.shape()))],
            order[static_cast<size_t>(dimension_of("transpose", b, x.shape()))]);
  return permute(x, order);
}

Variable expand(const Variable& x, const Shape& shape) {
  return record("expand", {x}, expanded(x.data(), shape),
                [from = x.shape()](std::span<Tensor> grads, const NeedsGrad&) {
                  return std::vector<Tensor>{sum_to(grads[0], from)};
                });
}

Variable pad(const Variable& x, const std::vector<Padding>& paddings, double value) {
  const Shape from = x.shape();
  Shape shape = from, start = from;
  for (int d = 0; d < from.dims(); ++d) start[d] = 0;
  for (const Padding& padding : paddings) {
    const int d = dimension_of("pad", padding.dim, from);
    KESTREL_CHECK(padding.before >= 0 && padding.after >= 0, "[pad] by ", padding.before, " and ",
                  padding.after, " along dimension ", padding.dim);
    shape[d] += padding.before + padding.after;
    start[d] += padding.before;
  }
  Walk walk;
  for (int d = 0; d < from.dims(); ++d) {
    walk.to_start += start[d] * shape.stride(d);
    walk.add(from[d], from.stride(d), shape.stride(d));
  }
  Tensor padded = Tensor::full(shape, value, x.dtype(), x.device());
  run(x.device(), cpu::strided_copy, gpu::strided_copy, x.view(), padded.view(), walk);
  return record("pad", {x}, std::move(padded),
                [from, walk](std::span<Tensor> grads, const NeedsGrad&) {
                  Walk back = walk;
                  std::swap(back.from_start, back.to_start);
                  std::swap(back.from_strides, back.to_strides);
                  Tensor grad_x = Tensor::empty(from, grads[0].dtype(), grads[0].device());
                  run(grad_x.device(), cpu::strided_copy, gpu::strided_copy, grads[0].cview(),
                      grad_x.view(), back);
                  return std::vector<Tensor>{grad_x};
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

Variable index_select(const Variable& x, int dim, const Tensor& indices) {
  const int axis = dimension_of("index_select", dim, x.shape());
  if (axis == 0) return gather_rows(x, indices);
  return transpose(gather_rows(transpose(x, 0, axis), indices), 0, axis);
}

Variable gather(const Variable& x, int dim, const Tensor& indices) {
  const int d = dimension_of("gather", dim, x.shape());
  Shape expected = x.shape();
  if (indices.dims() == expected.dims()) expected[d] = indices.size(d);
  KESTREL_CHECK(indices.shape() == expected, "[gather] indices of shape ", indices.shape(),
                " for dimension ", dim, " of ", x.shape());
  check_same_device("gather", x.data(), indices);
  const Axis axis = axis_of(x.shape(), d);
  Tensor taken = Tensor::empty(indices.shape(), x.dtype(), x.device());
  run(x.device(), cpu::gather_axis, gpu::gather_axis, x.view(), indices.view(), axis, taken.view());
  return record("gather", {x}, std::move(taken),
                [indices, axis, from = x.shape()](std::span<Tensor> grads, const NeedsGrad&) {
                  const DType dtype = grads[0].dtype();
                  const DType wide = dtype == DType::Float64 ? dtype : DType::Float32;
                  const Tensor grad = grads[0].to(wide);
                  Tensor grad_x = Tensor::empty(from, wide, grad.device());
                  run(grad.device(), cpu::scatter_add_axis, gpu::scatter_add_axis, grad.view(),
                      indices.view(), axis, grad_x.view());
                  return std::vector<Tensor>{grad_x.to(dtype)};
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
