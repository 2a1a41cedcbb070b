#include <kestrel/autograd/functions/cross_entropy.h>

#include <kestrel/autograd/functions/tensor_ops.h>
#include <kestrel/kernels/cross_entropy.h>

namespace kestrel::autograd {
namespace {

DType loss_dtype(const Variable& logits) {
  return logits.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
}

/// What the sum of the losses is multiplied by.
double factor_of(const Tensor& losses, const CrossEntropyOptions& options) {
  if (options.no_reduction) return 1;
  const auto count = static_cast<double>(std::max<int64_t>(1, losses.numel()));
  return 1 / options.avg_factor.value_or(count);
}

Tensor reduce(const Tensor& losses, double factor) {
  const std::vector<bool> all(static_cast<size_t>(losses.dims()), true);
  return sum_over(losses, all, factor).reshape({});
}

void check_logits(const char* op, const Variable& logits) {
  KESTREL_CHECK(logits.shape().dims() == 2, "[", op, "] logits must be (n, C), got ",
                logits.shape());
}

}  // namespace

Variable cross_entropy(const Variable& logits, const Tensor& labels,
                       const CrossEntropyOptions& options) {
  check_logits("cross_entropy", logits);
  Tensor losses = Tensor::empty({logits.size(0)}, loss_dtype(logits), logits.device());
  Tensor log_sum_exp = Tensor::empty_like(losses);
  run(logits.device(), cpu::softmax_cross_entropy_forward, gpu::softmax_cross_entropy_forward,
      logits.view(), labels.view(), options.class_weight.view(), options.sample_weight.view(),
      options.ignore_index, losses.view(), log_sum_exp.view());
  const double factor = factor_of(losses, options);
  return record("cross_entropy", {logits}, options.no_reduction ? losses : reduce(losses, factor),
                [logits = logits.data(), labels, options, log_sum_exp, factor](
                    std::span<Tensor> grads, const NeedsGrad&) {
                  Tensor grad_logits = Tensor::empty_like(logits);
                  run(logits.device(), cpu::softmax_cross_entropy_backward,
                      gpu::softmax_cross_entropy_backward, logits.view(), labels.view(),
                      options.class_weight.view(), options.sample_weight.view(), log_sum_exp.view(),
                      grads[0].cview(), factor, options.ignore_index, grad_logits.view());
                  return std::vector<Tensor>{grad_logits};
                });
}

Variable binary_cross_entropy(const Variable& logits, const Tensor& targets,
                              const CrossEntropyOptions& options) {
  check_logits("binary_cross_entropy", logits);
  Tensor losses = Tensor::empty(logits.shape(), loss_dtype(logits), logits.device());
  run(logits.device(), cpu::binary_cross_entropy_forward, gpu::binary_cross_entropy_forward,
      logits.view(), targets.view(), options.class_weight.view(), options.sample_weight.view(),
      options.ignore_index, losses.view());
  const double factor = factor_of(losses, options);
  return record("binary_cross_entropy", {logits},
                options.no_reduction ? losses : reduce(losses, factor),
                [logits = logits.data(), targets, options, factor](std::span<Tensor> grads,
                                                                   const NeedsGrad&) {
                  Tensor grad_logits = Tensor::empty_like(logits);
                  run(logits.device(), cpu::binary_cross_entropy_backward,
                      gpu::binary_cross_entropy_backward, logits.view(), targets.view(),
                      options.class_weight.view(), options.sample_weight.view(), grads[0].cview(),
                      factor, options.ignore_index, grad_logits.view());
                  return std::vector<Tensor>{grad_logits};
                });
}

}  // namespace kestrel::autograd
