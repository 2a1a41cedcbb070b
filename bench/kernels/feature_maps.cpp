// What is done to whole feature maps and to all parameters: norms, pooling, resizing, elementwise,
// layout, optimizers.

#include <kestrel/kernels/batch_norm.h>
#include <kestrel/kernels/copy.h>
#include <kestrel/kernels/elementwise.h>
#include <kestrel/kernels/group_norm.h>
#include <kestrel/kernels/layout.h>
#include <kestrel/kernels/optimizer.h>
#include <kestrel/kernels/pooling.h>
#include <kestrel/kernels/upsample.h>

#include "job.h"

namespace kestrel::bench {
namespace {

Shape map_of(const Spec& s) {
  return {s["n"], s["h"], s["w"], s["c"]};
}

Job relu(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  Tensor y = Tensor::empty(x.shape(), s.dtype, device);
  return {[=]() mutable { run(device, cpu::relu_forward, gpu::relu_forward, x.view(), y.view()); },
          0, bytes_of({x, y})};
}

Job add(const Spec& s, Device device) {
  const Tensor a = normal(map_of(s), s.dtype, device);
  const Tensor b = normal(map_of(s), s.dtype, device);
  Tensor y = Tensor::empty(a.shape(), s.dtype, device);
  return {[=]() mutable { run(device, cpu::add, gpu::add, a.view(), b.view(), y.view()); }, 0,
          bytes_of({a, b, y})};
}

Job cast_to_bfloat16(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), DType::Float32, device);
  Tensor y = Tensor::empty(x.shape(), DType::BFloat16, device);
  return {[=]() mutable { run(device, cpu::convert, gpu::convert, x.view(), y.view()); }, 0,
          bytes_of({x, y})};
}

Job nchw_to_nhwc(const Spec& s, Device device) {
  const Tensor x = normal({s["n"], s["c"], s["h"], s["w"]}, s.dtype, device);
  Tensor y = Tensor::empty(map_of(s), s.dtype, device);
  return {[=]() mutable { run(device, cpu::nchw_to_nhwc, gpu::nchw_to_nhwc, x.view(), y.view()); },
          0, bytes_of({x, y})};
}

struct Normalisation {
  Tensor x, y, grad, mean, variance, weight, bias, grad_weight, grad_bias;
};

Normalisation normalisation(const Spec& s, Device device, const Shape& statistics) {
  const Shape channels{s["c"]};
  Normalisation n;
  n.x = normal(map_of(s), s.dtype, device);
  n.y = normal(map_of(s), s.dtype, device);
  n.grad = normal(map_of(s), s.dtype, device);
  n.mean = Tensor::zeros(statistics, DType::Float32, device);
  n.variance = Tensor::full(statistics, 1, DType::Float32, device);
  n.weight = Tensor::full(channels, 1, DType::Float32, device);
  n.bias = Tensor::zeros(channels, DType::Float32, device);
  n.grad_weight = Tensor::zeros(channels, DType::Float32, device);
  n.grad_bias = Tensor::zeros(channels, DType::Float32, device);
  return n;
}

/// Statistics of the batch and the normalised map: x is read twice.
Job batch_norm(const Spec& s, Device device) {
  Normalisation n = normalisation(s, device, {s["c"]});
  return {[=]() mutable {
            run(device, cpu::batch_norm_statistics, gpu::batch_norm_statistics, n.x.cview(),
                n.mean.view(), n.variance.view());
            run(device, cpu::batch_norm_forward, gpu::batch_norm_forward, n.x.cview(),
                n.mean.cview(), n.variance.cview(), n.weight.cview(), n.bias.cview(), ConstView{},
                n.y.view(), BatchNormParams{});
          },
          0, bytes_of({n.x, n.x, n.y})};
}

Job batch_norm_backward(const Spec& s, Device device) {
  Normalisation n = normalisation(s, device, {s["c"]});
  Tensor grad_x = Tensor::empty(n.x.shape(), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::batch_norm_backward, gpu::batch_norm_backward, n.x.cview(),
                n.y.cview(), n.grad.cview(), n.mean.cview(), n.variance.cview(), n.weight.cview(),
                grad_x.view(), View{}, n.grad_weight.view(), n.grad_bias.view(), BatchNormParams{});
          },
          0, bytes_of({n.x, n.grad, n.x, n.grad, grad_x})};
}

Job group_norm(const Spec& s, Device device) {
  Normalisation n = normalisation(s, device, {s["n"], s["groups"]});
  const GroupNormParams params{.groups = s["groups"]};
  return {[=]() mutable {
            run(device, cpu::group_norm_forward, gpu::group_norm_forward, n.x.cview(),
                n.weight.cview(), n.bias.cview(), n.y.view(), n.mean.view(), n.variance.view(),
                params);
          },
          0, bytes_of({n.x, n.x, n.y})};
}

Job max_pool2d(const Spec& s, Device device) {
  const Pool2dParams params{.kernel = s["k"], .stride = s["stride"], .pad = s["pad"]};
  const auto side = [&](int64_t in) {
    return (in + 2 * params.pad - params.kernel) / params.stride + 1;
  };
  const Tensor x = normal(map_of(s), s.dtype, device);
  Tensor y = Tensor::empty({s["n"], side(s["h"]), side(s["w"]), s["c"]}, s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::max_pool2d_forward, gpu::max_pool2d_forward, x.view(), y.view(),
                View{}, params);
          },
          0, bytes_of({x, y})};
}

/// The top-down step of a feature pyramid: twice the size, plus the lateral map.
Job upsample_nearest_add(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  const Tensor lateral = normal({s["n"], s["h"] * 2, s["w"] * 2, s["c"]}, s.dtype, device);
  Tensor y = Tensor::empty(lateral.shape(), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::upsample_nearest_forward, gpu::upsample_nearest_forward, x.view(),
                lateral.view(), y.view());
          },
          0, bytes_of({x, lateral, y})};
}

Job upsample_bilinear(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  Tensor y = Tensor::empty({s["n"], s["h"] * 2, s["w"] * 2, s["c"]}, s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::upsample_bilinear_forward, gpu::upsample_bilinear_forward, x.view(),
                false, y.view());
          },
          0, bytes_of({x, y})};
}

/// Tensors of a million elements, `parameters` in all.
std::vector<Tensor> parameters(const Spec& s, Device device, double std) {
  std::vector<Tensor> tensors;
  for (int64_t left = s["parameters"]; left > 0; left -= 1 << 20) {
    tensors.push_back(normal({std::min<int64_t>(left, 1 << 20)}, DType::Float32, device, 0, std));
  }
  return tensors;
}

Job sgd(const Spec& s, Device device) {
  auto params = parameters(s, device, 1);
  auto grads = parameters(s, device, 1e-3);
  auto momenta = parameters(s, device, 0);
  return {
      [=]() mutable {
        std::vector<SgdTensor> tensors;
        for (size_t i = 0; i < params.size(); ++i) {
          tensors.push_back({params[i].view(), grads[i].view(), momenta[i].view(), 1e-4F, 1e-4F});
        }
        run(device, cpu::sgd_step, gpu::sgd_step, std::span<const SgdTensor>(tensors),
            SgdParams{.momentum = 0.9F}, ConstView{});
      },
      0, 5 * 4 * static_cast<double>(s["parameters"])};
}

Job adamw(const Spec& s, Device device) {
  auto params = parameters(s, device, 1);
  auto grads = parameters(s, device, 1e-3);
  auto first = parameters(s, device, 0);
  auto second = parameters(s, device, 0);
  return {[=]() mutable {
            std::vector<AdamTensor> tensors;
            for (size_t i = 0; i < params.size(); ++i) {
              tensors.push_back({params[i].view(), grads[i].view(), first[i].view(),
                                 second[i].view(), 1e-4F, 1e-4F});
            }
            run(device, cpu::adam_step, gpu::adam_step, std::span<const AdamTensor>(tensors),
                AdamParams{}, ConstView{});
          },
          0, 7 * 4 * static_cast<double>(s["parameters"])};
}

}  // namespace

Operators feature_map_operators() {
  return {{"relu", relu},
          {"add", add},
          {"cast_to_bfloat16", cast_to_bfloat16},
          {"nchw_to_nhwc", nchw_to_nhwc},
          {"batch_norm", batch_norm},
          {"batch_norm_backward", batch_norm_backward},
          {"group_norm", group_norm},
          {"max_pool2d", max_pool2d},
          {"upsample_nearest_add", upsample_nearest_add},
          {"upsample_bilinear", upsample_bilinear},
          {"sgd", sgd},
          {"adamw", adamw}};
}

}  // namespace kestrel::bench
