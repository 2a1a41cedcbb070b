#pragma once

#include <kestrel/kernels/view.h>

/// What both devices ask of the operands; the values of labels are looked at elsewhere.
namespace kestrel::cross_entropy {

inline DType loss_dtype(const ConstView& logits) {
  return logits.dtype == DType::Float64 ? DType::Float64 : DType::Float32;
}

inline void check_operand(const char* op, const char* name, const ConstView& logits,
                          const ConstView& operand, int64_t count) {
  if (!operand) return;
  KESTREL_CHECK(operand.dtype == loss_dtype(logits) && operand.numel() == count, "[", op, "] ",
                name, " must be ", loss_dtype(logits), " with ", count, " elements, got ",
                operand.dtype, operand.shape);
}

inline void check_operands(const char* op, const ConstView& logits, const ConstView& class_weight,
                           const ConstView& sample_weight) {
  KESTREL_CHECK(logits.shape.dims() == 2, "[", op, "] logits must be (n, C), got ", logits.shape);
  check_operand(op, "class_weight", logits, class_weight, logits.size(1));
  check_operand(op, "sample_weight", logits, sample_weight, logits.size(0));
}

inline void check_labels(const char* op, const ConstView& logits, const ConstView& labels) {
  KESTREL_CHECK(labels.dtype == DType::Int64 && labels.numel() == logits.size(0), "[", op,
                "] labels must be int64 (", logits.size(0), "), got ", labels.dtype, labels.shape);
}

/// Of binary cross entropy: labels, or numbers for all logits.
inline void check_targets(const ConstView& logits, const ConstView& targets) {
  if (targets.dtype == DType::Int64) {
    check_labels("binary_cross_entropy", logits, targets);
  } else {
    KESTREL_CHECK(targets.dtype == loss_dtype(logits) && targets.shape == logits.shape,
                  "[binary_cross_entropy] targets must be ", loss_dtype(logits), logits.shape,
                  " or int64 labels, got ", targets.dtype, targets.shape);
  }
}

}  // namespace kestrel::cross_entropy
