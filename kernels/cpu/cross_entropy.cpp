#include <kestrel/kernels/cross_entropy.h>

#include <cmath>

#include <kestrel/kernels/common/binary_cross_entropy.h>
#include <kestrel/kernels/common/cross_entropy_checks.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

/// Throws unless every label is ignore_index or in [0, end).
void check_values(const char* op, ConstView labels, int64_t ignore_index, int64_t end) {
  for (int64_t i = 0; i < labels.numel(); ++i) {
    const int64_t label = labels.as<int64_t>()[i];
    KESTREL_CHECK(label == ignore_index || (0 <= label && label < end), "[", op, "] label ", label,
                  " of row ", i, " is not in [0, ", end, ") and not ignore_index ", ignore_index);
  }
}

/// Calls f(row) in parallel.
template <class F>
void for_rows(ConstView logits, F f) {
  const int64_t grain = (1 << 13) / std::max<int64_t>(1, logits.size(1));
  parallel_for(logits.size(0), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(i);
  });
}

/// Element i of an operand that may be absent.
template <class A>
A weight_at(ConstView weights, int64_t i) {
  return weights ? weights.as<A>()[i] : A{1};
}

/// Gradient of loss i, where one may stand for all.
template <class A>
A gradient_at(ConstView grad_losses, int64_t i) {
  return grad_losses.as<A>()[grad_losses.numel() == 1 ? 0 : i];
}

/// Target of an element of a row: given, or whether its class is the row's label.
template <class A>
A target_of(ConstView targets, int64_t row, int64_t column, int64_t classes) {
  if (targets.dtype == DType::Int64) return targets.as<int64_t>()[row] == column ? A{1} : A{0};
  return targets.as<A>()[row * classes + column];
}

bool is_ignored(ConstView targets, int64_t row, int64_t ignore_index) {
  return targets.dtype == DType::Int64 && targets.as<int64_t>()[row] == ignore_index;
}

}  // namespace

void softmax_cross_entropy_forward(ConstView logits, ConstView labels, ConstView class_weight,
                                   ConstView sample_weight, int64_t ignore_index, View losses,
                                   View log_sum_exp) {
  cross_entropy::check_operands("cross_entropy", logits, class_weight, sample_weight);
  cross_entropy::check_labels("cross_entropy", logits, labels);
  check_values("cross_entropy", labels, ignore_index, logits.size(1));
  const int64_t classes = logits.size(1);
  visit_compute(logits.dtype, "cross_entropy", [&]<class T>(T) {
    using A = Accumulate<T>;
    for_rows(logits, [&](int64_t i) {
      const T* row = logits.as<T>() + i * classes;
      A largest = classes ? static_cast<A>(row[0]) : A{0};
      for (int64_t c = 1; c < classes; ++c) largest = std::max(largest, static_cast<A>(row[c]));
      A total = 0;
      for (int64_t c = 0; c < classes; ++c) total += std::exp(static_cast<A>(row[c]) - largest);
      // Not largest + log(total): that would lose the small logarithm beside a large logit.
      const A log_total = std::log(total);
      log_sum_exp.as<A>()[i] = largest + log_total;
      const int64_t label = labels.as<int64_t>()[i];
      losses.as<A>()[i] = label == ignore_index
                              ? A{0}
                              : weight_at<A>(class_weight, label) * weight_at<A>(sample_weight, i) *
                                    (largest - static_cast<A>(row[label]) + log_total);
    });
  });
}

void softmax_cross_entropy_backward(ConstView logits, ConstView labels, ConstView class_weight,
                                    ConstView sample_weight, ConstView log_sum_exp,
                                    ConstView grad_losses, double factor, int64_t ignore_index,
                                    View grad_logits) {
  const int64_t classes = logits.size(1);
  visit_compute(logits.dtype, "cross_entropy_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    for_rows(logits, [&](int64_t i) {
      const T* row = logits.as<T>() + i * classes;
      T* grad = grad_logits.as<T>() + i * classes;
      const int64_t label = labels.as<int64_t>()[i];
      if (label == ignore_index) {
        std::fill_n(grad, classes, T(A{0}));
        return;
      }
      const A weight = weight_at<A>(class_weight, label) * weight_at<A>(sample_weight, i) *
                       gradient_at<A>(grad_losses, i) * static_cast<A>(factor);
      const A normalizer = log_sum_exp.as<A>()[i];
      for (int64_t c = 0; c < classes; ++c) {
        const A probability = std::exp(static_cast<A>(row[c]) - normalizer);
        grad[c] = T(weight * (probability - (c == label ? A{1} : A{0})));
      }
    });
  });
}

void binary_cross_entropy_forward(ConstView logits, ConstView targets, ConstView class_weight,
                                  ConstView sample_weight, int64_t ignore_index, View losses) {
  cross_entropy::check_operands("binary_cross_entropy", logits, class_weight, sample_weight);
  cross_entropy::check_targets(logits, targets);
  const int64_t classes = logits.size(1);
  if (targets.dtype == DType::Int64) {
    check_values("binary_cross_entropy", targets, ignore_index, classes + 1);
  }
  visit_compute(logits.dtype, "binary_cross_entropy", [&]<class T>(T) {
    using A = Accumulate<T>;
    for_rows(logits, [&](int64_t i) {
      const A weight = is_ignored(targets, i, ignore_index) ? A{0} : weight_at<A>(sample_weight, i);
      for (int64_t c = 0; c < classes; ++c) {
        const A x = static_cast<A>(logits.as<T>()[i * classes + c]);
        const A t = target_of<A>(targets, i, c, classes);
        const A positive = weight_at<A>(class_weight, c);
        losses.as<A>()[i * classes + c] =
            weight == 0 ? A{0} : weight * binary_cross_entropy::loss(x, t, positive);
      }
    });
  });
}

void binary_cross_entropy_backward(ConstView logits, ConstView targets, ConstView class_weight,
                                   ConstView sample_weight, ConstView grad_losses, double factor,
                                   int64_t ignore_index, View grad_logits) {
  const int64_t classes = logits.size(1);
  visit_compute(logits.dtype, "binary_cross_entropy_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    for_rows(logits, [&](int64_t i) {
      const A weight = is_ignored(targets, i, ignore_index) ? A{0} : weight_at<A>(sample_weight, i);
      for (int64_t c = 0; c < classes; ++c) {
        const int64_t at = i * classes + c;
        const A x = static_cast<A>(logits.as<T>()[at]);
        const A t = target_of<A>(targets, i, c, classes);
        const A positive = weight_at<A>(class_weight, c);
        const A grad = weight * static_cast<A>(factor) * gradient_at<A>(grad_losses, at) *
                       binary_cross_entropy::slope(x, t, positive);
        grad_logits.as<T>()[at] = T(weight == 0 ? A{0} : grad);
      }
    });
  });
}

}  // namespace kestrel::cpu
