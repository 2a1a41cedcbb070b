// What is done along the dimensions of a tensor.

#include <array>

#include <kestrel/kernels/gather.h>
#include <kestrel/kernels/matmul.h>
#include <kestrel/kernels/reduce.h>
#include <kestrel/kernels/strided_copy.h>

#include "job.h"

namespace kestrel::bench {
namespace {

/// The last dimension of n rows of `classes`, or with first=1 the first dimension of as many
/// columns.
Axis axis_of(const Spec& s) {
  const int64_t rows = s["n"], classes = s["classes"];
  return s.value("first", 0) ? Axis{1, classes, rows} : Axis{rows, classes, 1};
}

Job sum(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  Tensor y = Tensor::empty({}, s.dtype, device);
  const Axis all{1, x.numel(), 1};
  return {
      [=]() mutable { run(device, cpu::sum_axis, gpu::sum_axis, x.view(), all, 1.0, y.view()); }, 0,
      bytes_of({x})};
}

/// The mean of each channel of each image.
Job mean_pixels(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  Tensor y = Tensor::empty({s["n"], s["c"]}, s.dtype, device);
  const Axis pixels{s["n"], s["h"] * s["w"], s["c"]};
  return {
      [=]() mutable { run(device, cpu::sum_axis, gpu::sum_axis, x.view(), pixels, 0.5, y.view()); },
      0, bytes_of({x, y})};
}

/// The gradient of a sum.
Job broadcast(const Spec& s, Device device) {
  const Tensor x = Tensor::full({}, 1, s.dtype, device);
  Tensor y = Tensor::empty(map_of(s), s.dtype, device);
  Walk walk;
  walk.add(y.numel(), 0, 1);
  return {[=]() mutable {
            run(device, cpu::strided_copy, gpu::strided_copy, x.view(), y.view(), walk);
          },
          0, bytes_of({y})};
}

Job sum_rows(const Spec& s, Device device) {
  const Axis axis = axis_of(s);
  const Tensor x = normal({axis.numel()}, s.dtype, device);
  Tensor y = Tensor::empty({axis.rows()}, s.dtype, device);
  return {
      [=]() mutable { run(device, cpu::sum_axis, gpu::sum_axis, x.view(), axis, 1.0, y.view()); },
      0, bytes_of({x, y})};
}

Job argmax(const Spec& s, Device device) {
  const Axis axis = axis_of(s);
  const Tensor x = normal({axis.numel()}, s.dtype, device);
  Tensor y = Tensor::empty({axis.rows()}, s.dtype, device);
  Tensor indices = Tensor::empty({axis.rows()}, DType::Int64, device);
  return {[=]() mutable {
            run(device, cpu::extreme_axis, gpu::extreme_axis, x.view(), axis, true, y.view(),
                indices.view());
          },
          0, bytes_of({x, y, indices})};
}

/// The gradient of that.
Job max_backward(const Spec& s, Device device) {
  const Axis axis = axis_of(s);
  const Tensor grad = normal({axis.rows()}, s.dtype, device);
  const Tensor indices = integers(axis.rows(), 0, axis.length, device);
  Tensor y = Tensor::empty({axis.numel()}, s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::extreme_axis_backward, gpu::extreme_axis_backward, indices.view(),
                grad.view(), axis, y.view());
          },
          0, bytes_of({grad, indices, y})};
}

template <bool log>
Job softmax(const Spec& s, Device device) {
  const Axis axis = axis_of(s);
  const Tensor x = normal({axis.numel()}, s.dtype, device);
  Tensor y = Tensor::empty(x.shape(), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::softmax_axis, gpu::softmax_axis, x.view(), axis, log, y.view());
          },
          0, bytes_of({x, y})};
}

Job softmax_backward(const Spec& s, Device device) {
  const Axis axis = axis_of(s);
  const Tensor y = normal({axis.numel()}, s.dtype, device);
  const Tensor grad = normal({axis.numel()}, s.dtype, device);
  Tensor grad_x = Tensor::empty(y.shape(), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::softmax_axis_backward, gpu::softmax_axis_backward, y.view(),
                grad.view(), axis, false, grad_x.view());
          },
          0, bytes_of({y, grad, grad_x})};
}

Job log_sum_exp(const Spec& s, Device device) {
  const Axis axis = axis_of(s);
  const Tensor x = normal({axis.numel()}, s.dtype, device);
  Tensor y = Tensor::empty({axis.rows()}, s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::log_sum_exp_axis, gpu::log_sum_exp_axis, x.view(), axis, y.view());
          },
          0, bytes_of({x, y})};
}

Job log_sum_exp_backward(const Spec& s, Device device) {
  const Axis axis = axis_of(s);
  const Tensor x = normal({axis.numel()}, s.dtype, device);
  const Tensor y = normal({axis.rows()}, s.dtype, device), g = normal(y.shape(), s.dtype, device);
  Tensor grad_x = Tensor::empty(x.shape(), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::log_sum_exp_axis_backward, gpu::log_sum_exp_axis_backward, x.view(),
                y.view(), g.view(), axis, grad_x.view());
          },
          0, bytes_of({x, y, g, grad_x})};
}

Job cumulative_sum(const Spec& s, Device device) {
  const Axis axis = axis_of(s);
  const Tensor x = normal({axis.numel()}, s.dtype, device);
  Tensor y = Tensor::empty(x.shape(), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::cumulative_sum_axis, gpu::cumulative_sum_axis, x.view(), axis, false,
                y.view());
          },
          0, bytes_of({x, y})};
}

/// One of the classes of each row.
Job gather(const Spec& s, Device device) {
  const Axis axis = axis_of(s);
  const Tensor x = normal({axis.numel()}, s.dtype, device);
  const Tensor indices = integers(axis.rows(), 0, axis.length, device);
  Tensor y = Tensor::empty({axis.rows()}, s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::gather_axis, gpu::gather_axis, x.view(), indices.view(), axis,
                y.view());
          },
          0, bytes_of({y, indices, y})};
}

/// The gradient of that.
Job scatter_add(const Spec& s, Device device) {
  const Axis axis = axis_of(s);
  const Tensor x = normal({axis.rows()}, s.dtype, device);
  const Tensor indices = integers(axis.rows(), 0, axis.length, device);
  Tensor y = Tensor::empty({axis.numel()}, s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::scatter_add_axis, gpu::scatter_add_axis, x.view(), indices.view(),
                axis, y.view());
          },
          0, bytes_of({x, indices, y})};
}

/// (n, h, w, c) to (n, w, c, h).
Job permute(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  Tensor y = Tensor::empty({s["n"], s["w"], s["c"], s["h"]}, s.dtype, device);
  Walk walk;
  const std::array<int, 4> order{0, 2, 3, 1};
  for (int d = 0; d < 4; ++d) {
    walk.add(y.size(d), x.shape().stride(order[static_cast<size_t>(d)]), y.shape().stride(d));
  }
  return {[=]() mutable {
            run(device, cpu::strided_copy, gpu::strided_copy, x.view(), y.view(), walk);
          },
          0, bytes_of({x, y})};
}

/// n products (m, k) x (k, o).
Job batched_matmul(const Spec& s, Device device) {
  const Tensor a = normal({s["n"], s["m"], s["k"]}, s.dtype, device);
  const Tensor b = normal({s["n"], s["k"], s["o"]}, s.dtype, device);
  Tensor c = Tensor::empty({s["n"], s["m"], s["o"]}, s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::batched_matmul, gpu::batched_matmul, a.view(), b.view(), c.view(),
                MatmulParams{});
          },
          2 * static_cast<double>(c.numel() * s["k"]), bytes_of({a, b, c})};
}

}  // namespace

Operators reduction_operators() {
  return {{"sum", sum},
          {"mean_pixels", mean_pixels},
          {"broadcast", broadcast},
          {"sum_rows", sum_rows},
          {"argmax", argmax},
          {"max_backward", max_backward},
          {"softmax", softmax<false>},
          {"log_softmax", softmax<true>},
          {"softmax_backward", softmax_backward},
          {"log_sum_exp", log_sum_exp},
          {"log_sum_exp_backward", log_sum_exp_backward},
          {"cumulative_sum", cumulative_sum},
          {"gather", gather},
          {"scatter_add", scatter_add},
          {"permute", permute},
          {"batched_matmul", batched_matmul}};
}

}  // namespace kestrel::bench
