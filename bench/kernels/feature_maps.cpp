// What is done to whole feature maps and knows their shape: norms, pooling, resizing, layout.

#include <kestrel/kernels/batch_norm.h>
#include <kestrel/kernels/channels.h>
#include <kestrel/kernels/group_norm.h>
#include <kestrel/kernels/image_normalize.h>
#include <kestrel/kernels/layout.h>
#include <kestrel/kernels/pooling.h>
#include <kestrel/kernels/upsample.h>

#include "job.h"

namespace kestrel::bench {
namespace {

Job nchw_to_nhwc(const Spec& s, Device device) {
  const Tensor x = normal({s["n"], s["c"], s["h"], s["w"]}, s.dtype, device);
  Tensor y = Tensor::empty(map_of(s), s.dtype, device);
  return {[=]() mutable { run(device, cpu::nchw_to_nhwc, gpu::nchw_to_nhwc, x.view(), y.view()); },
          0, bytes_of({x, y})};
}

Job nhwc_to_nchw(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  Tensor y = Tensor::empty({s["n"], s["c"], s["h"], s["w"]}, s.dtype, device);
  return {[=]() mutable { run(device, cpu::nhwc_to_nchw, gpu::nhwc_to_nchw, x.view(), y.view()); },
          0, bytes_of({x, y})};
}

Job image_normalize(const Spec& s, Device device) {
  const Tensor x = Tensor::full(map_of(s), 128, DType::UInt8, device);
  Tensor y = Tensor::empty(map_of(s), s.dtype, device);
  const ImageNormalizeParams params{.mean = {123.675F, 116.28F, 103.53F},
                                    .std = {58.395F, 57.12F, 57.375F}};
  return {[=]() mutable {
            run(device, cpu::image_normalize, gpu::image_normalize, x.view(), y.view(), params);
          },
          0, bytes_of({x, y})};
}

/// A bias of a map.
Job add_channels(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  const Tensor bias = normal({s["c"]}, DType::Float32, device);
  Tensor y = Tensor::empty(x.shape(), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::add_channels, gpu::add_channels, x.view(), bias.view(), y.view());
          },
          0, bytes_of({x, bias, y})};
}

/// The gradient of that bias.
Job sum_channels(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  Tensor sums = Tensor::empty({s["c"]}, DType::Float32, device);
  return {
      [=]() mutable { run(device, cpu::sum_channels, gpu::sum_channels, x.view(), sums.view()); },
      0, bytes_of({x, sums})};
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

/// The running statistics of a batch norm.
Job batch_norm_update(const Spec& s, Device device) {
  Normalisation n = normalisation(s, device, {s["c"]});
  return {[=]() mutable {
            run(device, cpu::batch_norm_update, gpu::batch_norm_update, n.mean.cview(),
                n.variance.cview(), n.x.numel() / s["c"], 0.1, n.weight.view(), n.bias.view());
          },
          0, bytes_of({n.mean, n.variance, n.weight, n.bias, n.weight, n.bias})};
}

Job group_norm_backward(const Spec& s, Device device) {
  Normalisation n = normalisation(s, device, {s["n"], s["groups"]});
  Tensor grad_x = Tensor::empty(n.x.shape(), s.dtype, device);
  const GroupNormParams params{.groups = s["groups"]};
  return {[=]() mutable {
            run(device, cpu::group_norm_backward, gpu::group_norm_backward, n.x.cview(),
                n.y.cview(), n.grad.cview(), n.mean.cview(), n.variance.cview(), n.weight.cview(),
                grad_x.view(), n.grad_weight.view(), n.grad_bias.view(), params);
          },
          0, bytes_of({n.x, n.grad, n.x, n.grad, grad_x})};
}

/// What a frozen norm leaves of a convolution's weight (o, k, k, c), and the gradients.
Job fold_batch_norm(const Spec& s, Device device) {
  const Tensor weight = normal({s["o"], s["k"], s["k"], s["c"]}, DType::Float32, device);
  Tensor folded = Tensor::empty(weight.shape(), DType::Float32, device);
  Tensor grad = Tensor::empty(weight.shape(), DType::Float32, device);
  const Tensor ones = Tensor::full({s["o"]}, 1, DType::Float32, device);
  Tensor shift = Tensor::empty({s["o"]}, DType::Float32, device);
  Tensor grad_gamma = Tensor::empty({s["o"]}, DType::Float32, device);
  Tensor grad_beta = Tensor::empty({s["o"]}, DType::Float32, device);
  return {[=]() mutable {
            run(device, cpu::fold_batch_norm, gpu::fold_batch_norm, weight.view(), ones.view(),
                ones.view(), ones.view(), ones.view(), 1e-5, folded.view(), shift.view());
            run(device, cpu::fold_batch_norm_backward, gpu::fold_batch_norm_backward,
                folded.cview(), shift.cview(), weight.view(), ones.view(), ones.view(), ones.view(),
                1e-5, grad.view(), grad_gamma.view(), grad_beta.view());
          },
          0, bytes_of({weight, folded, folded, weight, grad})};
}

struct Pooling {
  Tensor x, y, which;
  Pool2dParams params;
};

Pooling pooling(const Spec& s, Device device) {
  Pooling p{.params = {.kernel = s["k"], .stride = s["stride"], .pad = s.value("pad", 0)}};
  const auto side = [&](int64_t in) {
    return (in + 2 * p.params.pad - p.params.kernel) / p.params.stride + 1;
  };
  p.x = normal(map_of(s), s.dtype, device);
  p.y = normal({s["n"], side(s["h"]), side(s["w"]), s["c"]}, s.dtype, device);
  p.which = Tensor::zeros(p.y.shape(), DType::UInt8, device);
  return p;
}

Job max_pool2d(const Spec& s, Device device) {
  Pooling p = pooling(s, device);
  return {[=]() mutable {
            run(device, cpu::max_pool2d_forward, gpu::max_pool2d_forward, p.x.cview(), p.y.view(),
                View{}, p.params);
          },
          0, bytes_of({p.x, p.y})};
}

Job max_pool2d_backward(const Spec& s, Device device) {
  Pooling p = pooling(s, device);
  run(device, cpu::max_pool2d_forward, gpu::max_pool2d_forward, p.x.cview(), p.y.view(),
      p.which.view(), p.params);
  return {[=]() mutable {
            run(device, cpu::max_pool2d_backward, gpu::max_pool2d_backward, p.y.cview(),
                p.which.cview(), p.x.view(), p.params);
          },
          0, bytes_of({p.x, p.y, p.which})};
}

Job avg_pool2d(const Spec& s, Device device) {
  Pooling p = pooling(s, device);
  return {[=]() mutable {
            run(device, cpu::avg_pool2d_forward, gpu::avg_pool2d_forward, p.x.cview(), p.y.view(),
                p.params);
          },
          0, bytes_of({p.x, p.y})};
}

Job avg_pool2d_backward(const Spec& s, Device device) {
  Pooling p = pooling(s, device);
  return {[=]() mutable {
            run(device, cpu::avg_pool2d_backward, gpu::avg_pool2d_backward, p.y.cview(), p.x.view(),
                p.params);
          },
          0, bytes_of({p.x, p.y})};
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

Job upsample_nearest_backward(const Spec& s, Device device) {
  const Tensor grad_y = normal({s["n"], s["h"] * 2, s["w"] * 2, s["c"]}, s.dtype, device);
  Tensor grad_x = Tensor::empty(map_of(s), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::upsample_nearest_backward, gpu::upsample_nearest_backward,
                grad_y.view(), grad_x.view());
          },
          0, bytes_of({grad_y, grad_x})};
}

Job upsample_bilinear_backward(const Spec& s, Device device) {
  const Tensor grad_y = normal({s["n"], s["h"] * 2, s["w"] * 2, s["c"]}, s.dtype, device);
  Tensor grad_x = Tensor::empty(map_of(s), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::upsample_bilinear_backward, gpu::upsample_bilinear_backward,
                grad_y.view(), false, grad_x.view());
          },
          0, bytes_of({grad_y, grad_x})};
}

}  // namespace

Operators feature_map_operators() {
  return {{"nchw_to_nhwc", nchw_to_nhwc},
          {"nhwc_to_nchw", nhwc_to_nchw},
          {"image_normalize", image_normalize},
          {"add_channels", add_channels},
          {"sum_channels", sum_channels},
          {"batch_norm", batch_norm},
          {"batch_norm_backward", batch_norm_backward},
          {"batch_norm_update", batch_norm_update},
          {"group_norm", group_norm},
          {"group_norm_backward", group_norm_backward},
          {"fold_batch_norm", fold_batch_norm},
          {"max_pool2d", max_pool2d},
          {"max_pool2d_backward", max_pool2d_backward},
          {"avg_pool2d", avg_pool2d},
          {"avg_pool2d_backward", avg_pool2d_backward},
          {"upsample_nearest_add", upsample_nearest_add},
          {"upsample_nearest_backward", upsample_nearest_backward},
          {"upsample_bilinear", upsample_bilinear},
          {"upsample_bilinear_backward", upsample_bilinear_backward}};
}

}  // namespace kestrel::bench
