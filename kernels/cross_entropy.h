#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

namespace kestrel {

/// logits (n, C): float32, float64 or bfloat16. losses, weights, targets and sums: float32, or
/// float64 where the logits are ("of the losses' dtype"). labels: int64 (n). class_weight (C) and
/// sample_weight (n) may be absent. grad_losses has one element, for all losses, or one per loss;
/// it is multiplied by `factor`. Logits far out are safe: exponentials never overflow. The GPU does
/// not throw where a label is out of range: losses and gradients of that row are NaN.
namespace cpu {

/// losses (n) and log_sum_exp (n). Throws where a label is neither in [0, C) nor ignore_index.
void softmax_cross_entropy_forward(ConstView logits, ConstView labels, ConstView class_weight,
                                   ConstView sample_weight, int64_t ignore_index, View losses,
                                   View log_sum_exp);
void softmax_cross_entropy_backward(ConstView logits, ConstView labels, ConstView class_weight,
                                    ConstView sample_weight, ConstView log_sum_exp,
                                    ConstView grad_losses, double factor, int64_t ignore_index,
                                    View grad_logits);

/// losses (n, C). targets: (n, C) of the losses' dtype, or labels, where C is background. Throws
/// where a label is neither in [0, C] nor ignore_index. class_weight multiplies the positive term.
void binary_cross_entropy_forward(ConstView logits, ConstView targets, ConstView class_weight,
                                  ConstView sample_weight, int64_t ignore_index, View losses);
void binary_cross_entropy_backward(ConstView logits, ConstView targets, ConstView class_weight,
                                   ConstView sample_weight, ConstView grad_losses, double factor,
                                   int64_t ignore_index, View grad_logits);

}  // namespace cpu
namespace gpu {

void softmax_cross_entropy_forward(ConstView logits, ConstView labels, ConstView class_weight,
                                   ConstView sample_weight, int64_t ignore_index, View losses,
                                   View log_sum_exp, Stream stream);
void softmax_cross_entropy_backward(ConstView logits, ConstView labels, ConstView class_weight,
                                    ConstView sample_weight, ConstView log_sum_exp,
                                    ConstView grad_losses, double factor, int64_t ignore_index,
                                    View grad_logits, Stream stream);
void binary_cross_entropy_forward(ConstView logits, ConstView targets, ConstView class_weight,
                                  ConstView sample_weight, int64_t ignore_index, View losses,
                                  Stream stream);
void binary_cross_entropy_backward(ConstView logits, ConstView targets, ConstView class_weight,
                                   ConstView sample_weight, ConstView grad_losses, double factor,
                                   int64_t ignore_index, View grad_logits, Stream stream);

}  // namespace gpu
}  // namespace kestrel
