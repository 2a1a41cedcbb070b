#pragma once

#include <cmath>
#include <limits>

#include <kestrel/kernels/optimizer.h>

/// The updates of optimizer.h, element by element, and what it demands of its operands, for every
/// device.
namespace kestrel {

KESTREL_HOST_DEVICE inline void sgd_update(float& p, float g, float lr, float decay) {
  p -= lr * (g + decay * p);
}

KESTREL_HOST_DEVICE inline void sgd_momentum_update(float& p, float g, float& m, float lr,
                                                    float decay, const SgdParams& params) {
  const float d = g + decay * p;
  m = params.momentum * m + d;
  p -= lr * (params.nesterov ? d + params.momentum * m : m);
}

struct AdamScalars {
  float keep1, blend1;    // beta1, 1 - beta1
  float keep2, blend2;    // beta2, 1 - beta2
  float root_correction;  // sqrt(1 - beta2^step)
  float eps;
  float step_size;  // lr / (1 - beta1^step)
  float shrink;     // factor on the parameter: 1 - lr * decay, or 1
  float decay;      // added to the gradient: decay * param, or 0
};

inline AdamScalars adam_scalars(const AdamTensor& t, const AdamParams& params) {
  const auto step = static_cast<double>(params.step);
  const double correction1 = 1 - std::pow(params.beta1, step);
  const double correction2 = 1 - std::pow(params.beta2, step);
  const bool decoupled = params.decoupled_weight_decay;
  return {
      .keep1 = static_cast<float>(params.beta1),
      .blend1 = static_cast<float>(1 - params.beta1),
      .keep2 = static_cast<float>(params.beta2),
      .blend2 = static_cast<float>(1 - params.beta2),
      .root_correction = static_cast<float>(std::sqrt(correction2)),
      .eps = static_cast<float>(params.eps),
      .step_size = static_cast<float>(t.lr / correction1),
      .shrink = decoupled ? 1 - t.lr * t.weight_decay : 1,
      .decay = decoupled ? 0 : t.weight_decay,
  };
}

KESTREL_HOST_DEVICE inline void adam_update(float& p, float g, float& m, float& v,
                                            const AdamScalars& s) {
  const float d = g + s.decay * p;
  m = s.keep1 * m + s.blend1 * d;
  v = s.keep2 * v + s.blend2 * d * d;
  p = s.shrink * p - s.step_size * m / (std::sqrt(v) / s.root_correction + s.eps);
}

KESTREL_HOST_DEVICE inline void ema_update(float& average, float value, float momentum) {
  average = (1 - momentum) * average + momentum * value;
}

KESTREL_HOST_DEVICE inline bool guard_forbids(const double* guard) {
  return guard != nullptr && !(std::abs(*guard) <= std::numeric_limits<double>::max());
}

/// What every gradient is multiplied by, unless it is 1 or more.
KESTREL_HOST_DEVICE inline float clip_factor(double max_norm, double norm) {
  return static_cast<float>(max_norm / (norm + 1e-6));
}

inline void check_sgd_step(std::span<const SgdTensor> tensors, const SgdParams& params) {
  for (const SgdTensor& t : tensors) {
    KESTREL_CHECK(t.grad.numel() == t.param.numel() &&
                      (params.momentum == 0 || t.momentum.numel() == t.param.numel()),
                  "[sgd_step] parameter ", t.param.shape, " does not fit its gradient ",
                  t.grad.shape, " or momentum ", t.momentum.shape);
  }
}

inline void check_adam_step(std::span<const AdamTensor> tensors) {
  for (const AdamTensor& t : tensors) {
    const int64_t n = t.param.numel();
    KESTREL_CHECK(t.grad.numel() == n && t.exp_avg.numel() == n && t.exp_avg_sq.numel() == n,
                  "[adam_step] parameter ", t.param.shape, " does not fit its gradient ",
                  t.grad.shape, " or averages ", t.exp_avg.shape, " and ", t.exp_avg_sq.shape);
  }
}

inline void check_ema_step(std::span<const EmaTensor> tensors) {
  for (const EmaTensor& t : tensors) {
    KESTREL_CHECK(t.average.numel() == t.value.numel(), "[ema_step] average ", t.average.shape,
                  " does not fit ", t.value.shape);
  }
}

}  // namespace kestrel
