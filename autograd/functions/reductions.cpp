#include <kestrel/autograd/functions/reductions.h>

#include <kestrel/autograd/functions/axis_of.h>
#include <kestrel/autograd/functions/tensor_ops.h>
#include <kestrel/kernels/reduce.h>

namespace kestrel::autograd {
namespace {

/// The shape without the dimensions that are reduced.
Shape without(const Shape& shape, const std::vector<bool>& reduced) {
  std::vector<int64_t> sizes;
  for (int d = 0; d < shape.dims(); ++d) {
    if (!reduced[static_cast<size_t>(d)]) sizes.push_back(shape[d]);
  }
  return Shape(sizes);
}

Variable scaled_sum(const char* op, const Variable& x, const std::vector<int>& dims, bool keep_dims,
                    bool divide) {
  const Shape shape = x.shape();
  std::vector<bool> reduced(static_cast<size_t>(shape.dims()));
  double count = 1;
  for (const int dim : dims) {
    const int d = dimension_of(op, dim, shape);
    KESTREL_CHECK(!reduced[static_cast<size_t>(d)], "[", op, "] dimension ", dim,
                  " is named twice");
    reduced[static_cast<size_t>(d)] = true;
    count *= static_cast<double>(shape[d]);
  }
  const double factor = divide ? 1 / count : 1;
  const Tensor sums = sum_over(x.data(), reduced, factor);
  return record(op, {x}, keep_dims ? sums : sums.reshape(without(shape, reduced)),
                [shape, kept = sums.shape(), factor](std::span<Tensor> grads, const NeedsGrad&) {
                  Tensor grad = grads[0].reshape(kept);
                  if (factor != 1) grad = mapped(grad, {UnaryOp::Affine, factor, 0});
                  return std::vector<Tensor>{expanded(grad, shape)};
                });
}

std::vector<int> all_dims(const Variable& x) {
  std::vector<int> dims;
  for (int d = 0; d < x.shape().dims(); ++d) dims.push_back(d);
  return dims;
}

/// The shape after a dimension was reduced.
Shape reduced_shape(const Shape& shape, int dim, bool keep_dims) {
  std::vector<bool> reduced(static_cast<size_t>(shape.dims()));
  reduced[static_cast<size_t>(dim)] = true;
  if (!keep_dims) return without(shape, reduced);
  Shape result = shape;
  result[dim] = 1;
  return result;
}

Extremes extreme(const char* op, const Variable& x, int dim, bool keep_dims, bool largest) {
  const int d = dimension_of(op, dim, x.shape());
  KESTREL_CHECK(x.size(d) > 0, "[", op, "] dimension ", dim, " of ", x.shape(), " is empty");
  const Axis axis = axis_of(x.shape(), d);
  const Shape shape = reduced_shape(x.shape(), d, keep_dims);
  Tensor values = Tensor::empty(shape, x.dtype(), x.device());
  Tensor indices = Tensor::empty(shape, DType::Int64, x.device());
  run(x.device(), cpu::extreme_axis, gpu::extreme_axis, x.view(), axis, largest, values.view(),
      indices.view());
  Variable result =
      record(op, {x}, std::move(values),
             [indices, axis, from = x.shape()](std::span<Tensor> grads, const NeedsGrad&) {
               Tensor grad_x = Tensor::empty(from, grads[0].dtype(), grads[0].device());
               run(grad_x.device(), cpu::extreme_axis_backward, gpu::extreme_axis_backward,
                   indices.view(), grads[0].cview(), axis, grad_x.view());
               return std::vector<Tensor>{grad_x};
             });
  return {std::move(result), indices};
}

Tensor extreme_index(const char* op, const Tensor& x, int dim, bool keep_dims, bool largest) {
  const int d = dimension_of(op, dim, x.shape());
  KESTREL_CHECK(x.size(d) > 0, "[", op, "] dimension ", dim, " of ", x.shape(), " is empty");
  Tensor indices = Tensor::empty(reduced_shape(x.shape(), d, keep_dims), DType::Int64, x.device());
  run(x.device(), cpu::extreme_axis, gpu::extreme_axis, x.view(), axis_of(x.shape(), d), largest,
      View{}, indices.view());
  return indices;
}

Variable softmax_or_log(const char* op, const Variable& x, int dim, bool log) {
  const Axis axis = axis_of(x.shape(), dimension_of(op, dim, x.shape()));
  Tensor y = Tensor::empty_like(x.data());
  run(x.device(), cpu::softmax_axis, gpu::softmax_axis, x.view(), axis, log, y.view());
  return record(op, {x}, y, [y, axis, log](std::span<Tensor> grads, const NeedsGrad&) {
    Tensor grad_x = Tensor::empty_like(y);
    run(y.device(), cpu::softmax_axis_backward, gpu::softmax_axis_backward, y.view(),
        grads[0].cview(), axis, log, grad_x.view());
    return std::vector<Tensor>{grad_x};
  });
}

}  // namespace

Variable sum(const Variable& x) {
  return scaled_sum("sum", x, all_dims(x), false, false);
}
Variable sum(const Variable& x, const std::vector<int>& dims, bool keep_dims) {
  return scaled_sum("sum", x, dims, keep_dims, false);
}
Variable mean(const Variable& x) {
  return scaled_sum("mean", x, all_dims(x), false, true);
}
Variable mean(const Variable& x, const std::vector<int>& dims, bool keep_dims) {
  return scaled_sum("mean", x, dims, keep_dims, true);
}

Extremes max(const Variable& x, int dim, bool keep_dims) {
  return extreme("max", x, dim, keep_dims, true);
}
Extremes min(const Variable& x, int dim, bool keep_dims) {
  return extreme("min", x, dim, keep_dims, false);
}
Tensor argmax(const Tensor& x, int dim, bool keep_dims) {
  return extreme_index("argmax", x, dim, keep_dims, true);
}
Tensor argmin(const Tensor& x, int dim, bool keep_dims) {
  return extreme_index("argmin", x, dim, keep_dims, false);
}

Variable log_sum_exp(const Variable& x, int dim, bool keep_dims) {
  const int d = dimension_of("log_sum_exp", dim, x.shape());
  const Axis axis = axis_of(x.shape(), d);
  Tensor total = Tensor::empty(reduced_shape(x.shape(), d, keep_dims), x.dtype(), x.device());
  run(x.device(), cpu::log_sum_exp_axis, gpu::log_sum_exp_axis, x.view(), axis, total.view());
  return record("log_sum_exp", {x}, total,
                [x = x.data(), total, axis](std::span<Tensor> grads, const NeedsGrad&) {
                  Tensor grad_x = Tensor::empty_like(x);
                  run(x.device(), cpu::log_sum_exp_axis_backward, gpu::log_sum_exp_axis_backward,
                      x.view(), total.view(), grads[0].cview(), axis, grad_x.view());
                  return std::vector<Tensor>{grad_x};
                });
}

Variable softmax(const Variable& x, int dim) {
  return softmax_or_log("softmax", x, dim, false);
}
Variable log_softmax(const Variable& x, int dim) {
  return softmax_or_log("log_softmax", x, dim, true);
}

Variable cumulative_sum(const Variable& x, int dim) {
  const Axis axis = axis_of(x.shape(), dimension_of("cumulative_sum", dim, x.shape()));
  const auto summed = [axis](const Tensor& values, bool reversed) {
    Tensor sums = Tensor::empty_like(values);
    run(values.device(), cpu::cumulative_sum_axis, gpu::cumulative_sum_axis, values.view(), axis,
        reversed, sums.view());
    return sums;
  };
  return record("cumulative_sum", {x}, summed(x.data(), false),
                [summed](std::span<Tensor> grads, const NeedsGrad&) {
                  return std::vector<Tensor>{summed(grads[0], true)};
                });
}

}  // namespace kestrel::autograd
