// Convolutions and matrix products.

#include <kestrel/kernels/conv2d.h>
#include <kestrel/kernels/matmul.h>

#include "job.h"

namespace kestrel::bench {
namespace {

struct Convolution {
  Tensor input, weight, bias, output;
  Conv2dParams params;
  double flops = 0;
};

Convolution convolution(const Spec& s, Device device) {
  Convolution c;
  c.params.stride_h = c.params.stride_w = s.value("stride", 1);
  c.params.pad_h = c.params.pad_w = s.value("pad", s["k"] / 2);
  c.params.groups = s.value("groups", 1);
  const auto side = [&](int64_t in) {
    return (in + 2 * c.params.pad_h - s["k"]) / c.params.stride_h + 1;
  };
  c.input = normal(map_of(s), s.dtype, device);
  c.weight = normal({s["o"], s["k"], s["k"], s["c"] / c.params.groups}, s.dtype, device, 0, 0.05);
  c.bias = normal({s["o"]}, DType::Float32, device);
  c.output = normal({s["n"], side(s["h"]), side(s["w"]), s["o"]}, s.dtype, device);
  c.flops =
      2.0 * static_cast<double>(c.output.numel()) * static_cast<double>(c.weight.numel() / s["o"]);
  return c;
}

/// With bias and ReLU, and the weights packed before, as in inference.
Job conv2d(const Spec& spec, Device device) {
  Convolution c = convolution(spec, device);
  static uint64_t key = 1;
  c.params.relu = true;
  c.params.weight_key = key++;
  return {[=]() mutable {
            run(device, cpu::conv2d_forward, gpu::conv2d_forward, c.input.view(), c.weight.view(),
                c.bias.view(), ConstView{}, c.output.view(), c.params);
          },
          c.flops, bytes_of({c.input, c.weight, c.bias, c.output})};
}

Job conv2d_backward_data(const Spec& spec, Device device) {
  Convolution c = convolution(spec, device);
  return {[=]() mutable {
            run(device, cpu::conv2d_backward_data, gpu::conv2d_backward_data, c.output.cview(),
                c.weight.cview(), c.input.view(), c.params);
          },
          c.flops, bytes_of({c.input, c.weight, c.output})};
}

Job conv2d_backward_weights(const Spec& spec, Device device) {
  Convolution c = convolution(spec, device);
  Tensor grad_weight = Tensor::empty(c.weight.shape(), DType::Float32, device);
  return {[=]() mutable {
            run(device, cpu::conv2d_backward_weights, gpu::conv2d_backward_weights, c.input.cview(),
                c.output.cview(), grad_weight.view(), c.bias.view(), c.params);
          },
          c.flops, bytes_of({c.input, c.output, grad_weight, c.bias})};
}

Job linear(const Spec& s, Device device) {
  const Tensor x = normal({s["n"], s["c"]}, s.dtype, device);
  const Tensor weight = normal({s["o"], s["c"]}, s.dtype, device, 0, 0.05);
  const Tensor bias = normal({s["o"]}, DType::Float32, device);
  Tensor y = Tensor::empty({s["n"], s["o"]}, s.dtype, device);
  MatmulParams params{.trans_b = true, .bias = bias.view()};
  return {[=]() mutable {
            run(device, cpu::matmul, gpu::matmul, x.view(), weight.view(), y.view(), params);
          },
          2.0 * static_cast<double>(y.numel() * s["c"]), bytes_of({x, weight, bias, y})};
}

}  // namespace

Operators convolution_operators() {
  return {{"conv2d", conv2d},
          {"conv2d_backward_data", conv2d_backward_data},
          {"conv2d_backward_weights", conv2d_backward_weights},
          {"linear", linear}};
}

}  // namespace kestrel::bench
