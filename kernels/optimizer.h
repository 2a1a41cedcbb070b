#pragma once

#include <span>

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Updates of parameters from gradients, for all tensors of a model in one pass. All views are
/// float32; the views of one tensor have equal sizes. Deterministic: no result depends on the
/// number of threads.
namespace kestrel {

/// A parameter that SGD updates.
struct SgdTensor {
  View param;
  ConstView grad;
  View momentum;  ///< Zeros before the first step; absent without momentum.
  float lr = 0;
  float weight_decay = 0;
};

struct SgdParams {
  float momentum = 0;
  bool nesterov = false;
};

/// A parameter that Adam updates.
struct AdamTensor {
  View param;
  ConstView grad;
  View exp_avg;     ///< Zeros before the first step.
  View exp_avg_sq;  ///< Zeros before the first step.
  float lr = 0;
  float weight_decay = 0;
};

struct AdamParams {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  /// AdamW: the parameter shrinks by lr * weight_decay. Adam: the gradient grows by weight_decay *
  /// param.
  bool decoupled_weight_decay = true;
  int64_t step = 1;  ///< Of this update, from 1.
};

/// A moving average of a tensor that changes.
struct EmaTensor {
  View average;
  ConstView value;
};

namespace cpu {

/// Where `guard` () float64, if it is not absent, is not finite, the two updates do nothing: so a
/// step can be queued before anybody knows whether its loss is a number.
///
/// g = grad + weight_decay * param; m = momentum * m + g; param -= lr * m, or with nesterov
/// lr * (g + momentum * m). As torch.optim.SGD.
void sgd_step(std::span<const SgdTensor> tensors, const SgdParams& params, ConstView guard);
/// Loshchilov and Hutter 2019; as torch.optim.AdamW and torch.optim.Adam.
void adam_step(std::span<const AdamTensor> tensors, const AdamParams& params, ConstView guard);
/// norm (), float64 = the 2-norm of all gradients together, accumulated in double over fixed
/// chunks; then, where it is beyond max_norm, every gradient is multiplied by
/// max_norm / (norm + 1e-6). A max_norm of infinity only measures. On a GPU the norm stays there,
/// and nothing waits for it.
void clip_grad_norm(std::span<const View> grads, double max_norm, View norm);
/// average = (1 - momentum) * average + momentum * value.
void ema_step(std::span<const EmaTensor> tensors, float momentum);

}  // namespace cpu
namespace gpu {

void sgd_step(std::span<const SgdTensor> tensors, const SgdParams& params, ConstView guard,
              Stream stream);
void adam_step(std::span<const AdamTensor> tensors, const AdamParams& params, ConstView guard,
               Stream stream);
void clip_grad_norm(std::span<const View> grads, double max_norm, View norm, Stream stream);
void ema_step(std::span<const EmaTensor> tensors, float momentum, Stream stream);

}  // namespace gpu
}  // namespace kestrel
