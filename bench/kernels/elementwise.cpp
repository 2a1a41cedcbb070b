// What is done to every element of a tensor, to its rows, and to all parameters.

#include <algorithm>

#include <kestrel/kernels/binary.h>
#include <kestrel/kernels/copy.h>
#include <kestrel/kernels/optimizer.h>
#include <kestrel/kernels/random.h>
#include <kestrel/kernels/rows.h>
#include <kestrel/kernels/scale.h>
#include <kestrel/kernels/strided_copy.h>
#include <kestrel/kernels/unary.h>

#include "job.h"

namespace kestrel::bench {
namespace {

/// A function of every element, or its gradient.
template <UnaryOp op, bool backward = false>
Job unary(const Spec& s, Device device) {
  const UnaryParams params{op, 2, 0.5};
  const Tensor x = normal(map_of(s), s.dtype, device);
  Tensor y = Tensor::empty(x.shape(), s.dtype, device);
  if constexpr (backward) {
    const Tensor grad = normal(map_of(s), s.dtype, device);
    return {[=]() mutable {
              run(device, cpu::unary_backward, gpu::unary_backward, x.view(), grad.view(), y.view(),
                  params);
            },
            0, bytes_of({x, grad, y})};
  }
  return {[=]() mutable {
            run(device, cpu::unary_forward, gpu::unary_forward, x.view(), y.view(), params);
          },
          0, bytes_of({x, y})};
}

/// Two maps joined element by element, or a map and a value for each of its channels.
template <BinaryOp op, bool broadcast = false>
Job binary(const Spec& s, Device device) {
  const Tensor a = normal(map_of(s), s.dtype, device);
  const Tensor b = normal(broadcast ? Shape{s["c"]} : map_of(s), s.dtype, device);
  Tensor y = Tensor::empty(a.shape(), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::binary_forward, gpu::binary_forward, op, a.view(), b.view(), y.view());
          },
          0, bytes_of({a, b, y})};
}

/// Both gradients of a product.
Job multiply_backward(const Spec& s, Device device) {
  const Tensor a = normal(map_of(s), s.dtype, device), b = normal(map_of(s), s.dtype, device);
  const Tensor grad = normal(map_of(s), s.dtype, device);
  Tensor grad_a = Tensor::empty(a.shape(), s.dtype, device), grad_b = Tensor::empty_like(grad_a);
  return {[=]() mutable {
            run(device, cpu::binary_backward, gpu::binary_backward, BinaryOp::Multiply, a.view(),
                b.view(), grad.view(), grad_a.view(), grad_b.view());
          },
          0, bytes_of({a, b, grad, grad_a, grad_b})};
}

Job compare(const Spec& s, Device device) {
  const Tensor a = normal(map_of(s), s.dtype, device), b = normal(map_of(s), s.dtype, device);
  Tensor mask = Tensor::empty(a.shape(), DType::Bool, device);
  return {[=]() mutable {
            run(device, cpu::compare, gpu::compare, CompareOp::Greater, a.view(), b.view(),
                mask.view());
          },
          0, bytes_of({a, b, mask})};
}

Job where(const Spec& s, Device device) {
  const Tensor a = normal(map_of(s), s.dtype, device), b = normal(map_of(s), s.dtype, device);
  Tensor mask = Tensor::empty(a.shape(), DType::Bool, device), y = Tensor::empty_like(a);
  mask.fill(1);
  return {[=]() mutable {
            run(device, cpu::where, gpu::where, mask.view(), a.view(), b.view(), y.view());
          },
          0, bytes_of({mask, a, y})};
}

Job cast_to_bfloat16(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), DType::Float32, device);
  Tensor y = Tensor::empty(x.shape(), DType::BFloat16, device);
  return {[=]() mutable { run(device, cpu::convert, gpu::convert, x.view(), y.view()); }, 0,
          bytes_of({x, y})};
}

/// The loss times a factor that stays on the device.
Job scale(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  const Tensor factor = Tensor::full({}, 0.5, DType::Float32, device);
  Tensor y = Tensor::empty(x.shape(), s.dtype, device);
  return {[=]() mutable { run(device, cpu::scale, gpu::scale, x.view(), factor.view(), y.view()); },
          0, bytes_of({x, y})};
}

Job fill(const Spec& s, Device device) {
  Tensor y = Tensor::empty(map_of(s), s.dtype, device);
  return {[=]() mutable { run(device, cpu::fill, gpu::fill, y.view(), 1.0); }, 0, bytes_of({y})};
}

Job random_uniform(const Spec& s, Device device) {
  Tensor y = Tensor::empty(map_of(s), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::fill_uniform, gpu::fill_uniform, y.view(), 0.0, 1.0, PhiloxPlace{});
          },
          0, bytes_of({y})};
}

Job random_normal(const Spec& s, Device device) {
  Tensor y = Tensor::empty(map_of(s), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::fill_normal, gpu::fill_normal, y.view(), 0.0, 1.0, PhiloxPlace{});
          },
          0, bytes_of({y})};
}

/// Joins maps along their channels, as one of two.
Job concatenate(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  Tensor y = Tensor::empty({s["n"], s["h"], s["w"], 2 * s["c"]}, s.dtype, device);
  Walk walk{.to_start = s["c"]};
  walk.add(s["n"] * s["h"] * s["w"], s["c"], 2 * s["c"]);
  walk.add(s["c"], 1, 1);
  return {[=]() mutable {
            run(device, cpu::strided_copy, gpu::strided_copy, x.view(), y.view(), walk);
          },
          0, 2 * bytes_of({x})};
}

Job gather_rows(const Spec& s, Device device) {
  const Tensor x = normal({s["n"], s["width"]}, s.dtype, device);
  const Tensor rows = integers(s["rows"], 0, s["n"], device);
  Tensor y = Tensor::empty({s["rows"], s["width"]}, s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::gather_rows, gpu::gather_rows, x.view(), rows.view(), y.view());
          },
          0, bytes_of({y, rows, y})};
}

/// The gradient of that.
Job scatter_add_rows(const Spec& s, Device device) {
  const Tensor x = normal({s["rows"], s["width"]}, s.dtype, device);
  const Tensor rows = integers(s["rows"], 0, s["n"], device);
  Tensor y = Tensor::empty({s["n"], s["width"]}, s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::scatter_add_rows, gpu::scatter_add_rows, x.view(), rows.view(),
                y.view());
          },
          0, bytes_of({x, rows, y})};
}

/// Tensors of a million elements, `parameters` in all.
std::vector<Tensor> parameters(const Spec& s, Device device, double std) {
  std::vector<Tensor> tensors;
  for (int64_t left = s["parameters"]; left > 0; left -= 1 << 20) {
    tensors.push_back(normal({std::min<int64_t>(left, 1 << 20)}, DType::Float32, device, 0, std));
  }
  return tensors;
}

/// Steps of a rule that keeps `count` tensors for every parameter.
Job optimizer_step(const Spec& s, Device device, const UpdateRule& rule, size_t count) {
  auto params = parameters(s, device, 1);
  auto grads = parameters(s, device, 1e-3);
  std::vector<std::vector<Tensor>> states;
  for (size_t i = 0; i < count; ++i) states.push_back(parameters(s, device, 0));
  return {[=]() mutable {
            std::vector<ParamTensor> tensors;
            for (size_t i = 0; i < params.size(); ++i) {
              ParamTensor tensor{.param = params[i].view(),
                                 .grad = grads[i].cview(),
                                 .lr = 1e-4,
                                 .weight_decay = 1e-4,
                                 .momentum = 0.9};
              for (size_t k = 0; k < count; ++k) tensor.states[k] = states[k][i].view();
              tensors.push_back(tensor);
            }
            run(device, cpu::optimizer_step, gpu::optimizer_step,
                std::span<const ParamTensor>(tensors), rule, ConstView{});
          },
          0, static_cast<double>(3 + 2 * count) * 4 * static_cast<double>(s["parameters"])};
}

Job sgd(const Spec& s, Device device) {
  return optimizer_step(s, device, SgdRule{}, 1);
}
Job adamw(const Spec& s, Device device) {
  return optimizer_step(s, device, AdamRule{}, 2);
}
Job rmsprop(const Spec& s, Device device) {
  return optimizer_step(s, device, RMSpropRule{}, 2);
}

/// With a norm that scales every gradient.
Job lamb(const Spec& s, Device device) {
  auto params = parameters(s, device, 1);
  auto grads = parameters(s, device, 1e-3);
  auto first = parameters(s, device, 0);
  auto second = parameters(s, device, 0);
  const Tensor norm = Tensor::full({}, 6, DType::Float64, device);
  return {[=]() mutable {
            std::vector<ParamTensor> tensors;
            for (size_t i = 0; i < params.size(); ++i) {
              tensors.push_back({.param = params[i].view(),
                                 .grad = grads[i].cview(),
                                 .states = {first[i].view(), second[i].view()},
                                 .lr = 1e-4,
                                 .weight_decay = 1e-4,
                                 .momentum = 0.9});
            }
            run(device, cpu::lamb_step, gpu::lamb_step, std::span<const ParamTensor>(tensors),
                LambRule{}, norm.cview(), ConstView{});
          },
          0, 11 * 4 * static_cast<double>(s["parameters"])};
}

Job ema(const Spec& s, Device device) {
  auto averages = parameters(s, device, 1);
  const auto values = parameters(s, device, 1);
  return {[=]() mutable {
            std::vector<EmaTensor> tensors;
            for (size_t i = 0; i < values.size(); ++i) {
              tensors.push_back({averages[i].view(), values[i].view()});
            }
            run(device, cpu::ema_step, gpu::ema_step, std::span<const EmaTensor>(tensors), 1e-3F);
          },
          0, 3 * 4 * static_cast<double>(s["parameters"])};
}

/// With a norm that is too large.
Job clip_grad_norm(const Spec& s, Device device) {
  auto grads = parameters(s, device, 1);
  Tensor norm = Tensor::empty({}, DType::Float64, device);
  return {[=]() mutable {
            std::vector<View> views;
            for (Tensor& grad : grads) views.push_back(grad.view());
            run(device, cpu::clip_grad_norm, gpu::clip_grad_norm, std::span<const View>(views), 1.0,
                2.0, norm.view());
          },
          0, 3 * 4 * static_cast<double>(s["parameters"])};
}

}  // namespace

Operators elementwise_operators() {
  return {{"relu", unary<UnaryOp::Relu>},
          {"relu_backward", unary<UnaryOp::Relu, true>},
          {"sigmoid", unary<UnaryOp::Sigmoid>},
          {"sigmoid_backward", unary<UnaryOp::Sigmoid, true>},
          {"exp", unary<UnaryOp::Exp>},
          {"silu", unary<UnaryOp::Silu>},
          {"silu_backward", unary<UnaryOp::Silu, true>},
          {"gelu", unary<UnaryOp::Gelu>},
          {"mish", unary<UnaryOp::Mish>},
          {"hswish", unary<UnaryOp::Hswish>},
          {"affine", unary<UnaryOp::Affine>},
          {"add", binary<BinaryOp::Add>},
          {"subtract", binary<BinaryOp::Subtract>},
          {"multiply", binary<BinaryOp::Multiply>},
          {"multiply_channels", binary<BinaryOp::Multiply, true>},
          {"multiply_backward", multiply_backward},
          {"maximum", binary<BinaryOp::Maximum>},
          {"compare", compare},
          {"where", where},
          {"scale", scale},
          {"fill", fill},
          {"cast_to_bfloat16", cast_to_bfloat16},
          {"random_uniform", random_uniform},
          {"random_normal", random_normal},
          {"concatenate", concatenate},
          {"gather_rows", gather_rows},
          {"scatter_add_rows", scatter_add_rows},
          {"sgd", sgd},
          {"adamw", adamw},
          {"rmsprop", rmsprop},
          {"lamb", lamb},
          {"ema", ema},
          {"clip_grad_norm", clip_grad_norm}};
}

}  // namespace kestrel::bench
