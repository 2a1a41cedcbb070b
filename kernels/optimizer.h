#pragma once

#include <array>
#include <cmath>
#include <span>
#include <variant>

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Updates of parameters from gradients, for all tensors of a model in one pass. All views are
/// float32, or, on the CPU, all float64; the views of one tensor have equal sizes. Deterministic:
/// no result depends on the number of threads.
namespace kestrel {

/// A parameter that is updated, with what its optimizer keeps of it.
struct ParamTensor {
  View param;
  ConstView grad;
  /// In the order that its rule names; zeros before the first step.
  std::array<View, 3> states = {};
  double lr = 0;
  double weight_decay = 0;
  double momentum = 0;          ///< Or beta1.
  int64_t step = 1;             ///< Of this tensor's update, from 1.
  double momentum_product = 1;  ///< NAdam's: the product of nadam_momentum() of steps 1 to `step`.
};

// The rules follow torch.optim's classes of like names, with g the gradient: its negative where the
// rule maximizes, plus weight_decay * param unless the decay is decoupled. A decoupled decay first
// shrinks the parameter by lr * weight_decay.

/// States: momentum, or none where all tensors lack it.
struct SgdRule {
  double dampening = 0;
  bool nesterov = false;
  bool maximize = false;
};

/// Kingma and Ba 2015; decoupled: Loshchilov and Hutter 2019; amsgrad: Reddi et al. 2018.
/// States: averages of g and of g^2; with amsgrad the largest of the latter.
struct AdamRule {
  double beta2 = 0.999;
  double eps = 1e-8;
  bool amsgrad = false;
  bool decoupled_weight_decay = true;
  bool maximize = false;
};

/// Dozat 2016. States: averages of g and of g^2.
struct NAdamRule {
  double beta2 = 0.999;
  double eps = 1e-8;
  double momentum_decay = 4e-3;
  bool decoupled_weight_decay = false;
  bool maximize = false;
};
/// NAdam's momentum in a step, counted from 1.
inline double nadam_momentum(double beta1, double momentum_decay, int64_t step) {
  return beta1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(step) * momentum_decay));
}

/// Liu et al. 2020. States: averages of g and of g^2.
struct RAdamRule {
  double beta2 = 0.999;
  double eps = 1e-8;
  bool decoupled_weight_decay = false;
  bool maximize = false;
};

/// Kingma and Ba 2015. States: the average of g, the decaying maximum of |g|.
struct AdamaxRule {
  double beta2 = 0.999;
  double eps = 1e-8;
  bool maximize = false;
};

/// Tieleman and Hinton 2012; centered: Graves 2013. States: the average of g^2; centered, that of
/// g; momentum, or none where all tensors lack it.
struct RMSpropRule {
  double alpha = 0.99;
  double eps = 1e-8;
  bool centered = false;
  bool maximize = false;
};

/// Zeiler 2012. States: averages of g^2 and of the squared updates.
struct AdadeltaRule {
  double rho = 0.9;
  double eps = 1e-6;
  bool maximize = false;
};

/// Duchi et al. 2011. States: the sum of g^2, which may start from another value than 0.
struct AdagradRule {
  double lr_decay = 0;
  double eps = 1e-10;
  bool maximize = false;
};

using UpdateRule = std::variant<SgdRule, AdamRule, NAdamRule, RAdamRule, AdamaxRule, RMSpropRule,
                                AdadeltaRule, AdagradRule>;

/// You et al. 2020, as MMClassification's and timm's Lamb: Adam with decoupled decay, its update of
/// every tensor scaled by |param| / |update|. States: averages of g and of g^2.
struct LambRule {
  double beta2 = 0.999;
  double eps = 1e-6;
  bool bias_correction = true;
  bool grad_averaging = true;  ///< The gradient enters its average times 1 - beta1, else times 1.
  double max_grad_norm = 1;    ///< Gradients are divided by grad_norm / max_grad_norm, if above 1.
  bool trust_clip = false;     ///< The factor is at most 1.
  bool always_adapt = false;   ///< Tensors without decay are scaled too.
};

/// A moving average of a tensor that changes.
struct EmaTensor {
  View average;
  ConstView value;
};

namespace cpu {

/// Where `guard` () float64, if it is not absent, is not finite, the two updates do nothing: so a
/// step can be queued before anybody knows whether its loss is a number.
void optimizer_step(std::span<const ParamTensor> tensors, const UpdateRule& rule, ConstView guard);
/// grad_norm () float64 is the 2-norm of all gradients together; absent: nothing is divided by it.
void lamb_step(std::span<const ParamTensor> tensors, const LambRule& rule, ConstView grad_norm,
               ConstView guard);
/// norm () float64 = the norm_type-norm (above 0, or infinity) of all gradients together,
/// accumulated in double over fixed chunks; then, where it is beyond max_norm, every gradient is
/// multiplied by max_norm / (norm + 1e-6). A max_norm of infinity only measures. On a GPU the norm
/// stays there, and nothing waits for it.
void clip_grad_norm(std::span<const View> grads, double max_norm, double norm_type, View norm);
/// Moves every gradient into [-limit, limit]; NaN stays.
void clip_grad_value(std::span<const View> grads, double limit);
/// average = (1 - momentum) * average + momentum * value. float32.
void ema_step(std::span<const EmaTensor> tensors, double momentum);

}  // namespace cpu
namespace gpu {

void optimizer_step(std::span<const ParamTensor> tensors, const UpdateRule& rule, ConstView guard,
                    Stream stream);
void lamb_step(std::span<const ParamTensor> tensors, const LambRule& rule, ConstView grad_norm,
               ConstView guard, Stream stream);
void clip_grad_norm(std::span<const View> grads, double max_norm, double norm_type, View norm,
                    Stream stream);
void clip_grad_value(std::span<const View> grads, double limit, Stream stream);
void ema_step(std::span<const EmaTensor> tensors, double momentum, Stream stream);

}  // namespace gpu
}  // namespace kestrel
