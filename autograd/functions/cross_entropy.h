#pragma once

#include <optional>

#include <kestrel/autograd/variable.h>

namespace kestrel::autograd {

struct CrossEntropyOptions {
  /// Rows with this label have loss and gradient zero.
  int64_t ignore_index = -100;
  Tensor class_weight = {};   ///< (C), of the losses' dtype; may be undefined.
  Tensor sample_weight = {};  ///< (n), of the losses' dtype; may be undefined.
  /// The sum of the losses is divided by this; where absent, by the number of rows.
  std::optional<double> avg_factor = {};
  /// Losses of shape (n), or (n, C) for the binary one, neither summed nor divided.
  bool no_reduction = false;
};

/// Softmax cross entropy: class_weight[label] * sample_weight * (log sum exp(logits) -
/// logits[label]). logits: (n, C); labels: int64 (n), in [0, C) or ignore_index. The loss has shape
/// () and is float32, or float64 where the logits are. No rows: 0.
Variable cross_entropy(const Variable& logits, const Tensor& labels,
                       const CrossEntropyOptions& options = {});

/// Sigmoid binary cross entropy, max(x, 0) - x * t + log(1 + exp(-|x|)), weighted by
/// sample_weight of its row. class_weight multiplies the positive term of its column (PyTorch's
/// pos_weight). logits: (n, C). targets: (n, C), of the losses' dtype, in [0, 1]; or int64 labels
/// (n), where label C is background, with no positive, and ignore_index leaves the row out. The
/// default divisor is the number of elements.
Variable binary_cross_entropy(const Variable& logits, const Tensor& targets,
                              const CrossEntropyOptions& options = {});

}  // namespace kestrel::autograd
