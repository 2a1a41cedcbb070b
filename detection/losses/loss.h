#pragma once

#include <array>
#include <utility>

#include <kestrel/autograd/variable.h>
#include <kestrel/registry/registry.h>

namespace kestrel {

enum class Reduction : uint8_t { Mean, Sum };

constexpr auto enum_names(Reduction) {
  return std::array{std::pair{Reduction::Mean, "mean"}, std::pair{Reduction::Sum, "sum"}};
}

/// What a sum over elements is multiplied by: loss_weight where an avg_factor divides it, else
/// loss_weight / elements (0 of none); with Reduction::Sum, loss_weight, and an avg_factor is an
/// error, as in MMDetection.
double loss_scale(const char* op, Reduction reduction, double loss_weight, bool averaged,
                  int64_t elements);

/// Loss of class logits.
class ClassificationLoss {
 public:
  static constexpr const char* kKind = "classification loss";

  virtual ~ClassificationLoss() = default;
  /// A scalar. logits hold n * C numbers in any shape; labels (n) int64, C for background and -1
  /// for ignored rows; weights (n) float32 or undefined. What the sum is divided by,
  /// avg_factor () float64, is on the logits' device; undefined: the number of elements.
  virtual Variable forward(const Variable& logits, const Tensor& labels, const Tensor& weights,
                           const Tensor& avg_factor) const = 0;
};

/// Loss of boxes or deltas.
class RegressionLoss {
 public:
  static constexpr const char* kKind = "regression loss";

  virtual ~RegressionLoss() = default;
  /// A scalar. pred and target (n, 4); weights (n) or undefined; avg_factor as above.
  virtual Variable forward(const Variable& pred, const Tensor& target, const Tensor& weights,
                           const Tensor& avg_factor) const = 0;
};

}  // namespace kestrel
