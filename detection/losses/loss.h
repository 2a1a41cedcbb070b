#pragma once

#include <array>
#include <optional>
#include <utility>

#include <kestrel/autograd/variable.h>
#include <kestrel/registry/registry.h>

namespace kestrel {

enum class Reduction : uint8_t { Mean, Sum };

constexpr auto enum_names(Reduction) {
  return std::array{std::pair{Reduction::Mean, "mean"}, std::pair{Reduction::Sum, "sum"}};
}

/// What a sum over elements is multiplied by: loss_weight / avg_factor, or / `elements` where no
/// avg_factor is given (0 of none); with Reduction::Sum, loss_weight, and an avg_factor is an
/// error, as in MMDetection.
double loss_scale(const char* op, Reduction reduction, double loss_weight,
                  std::optional<double> avg_factor, int64_t elements);

/// Loss of class logits.
class ClassificationLoss {
 public:
  virtual ~ClassificationLoss() = default;
  /// A scalar. logits hold n * C numbers in any shape; labels (n) int64, C for background and -1
  /// for ignored rows; weights (n) float32 or undefined.
  virtual Variable forward(const Variable& logits, const Tensor& labels, const Tensor& weights,
                           std::optional<double> avg_factor) const = 0;
};

/// Loss of boxes or deltas.
class RegressionLoss {
 public:
  virtual ~RegressionLoss() = default;
  /// A scalar. pred and target (n, 4); weights (n) or undefined.
  virtual Variable forward(const Variable& pred, const Tensor& target, const Tensor& weights,
                           std::optional<double> avg_factor) const = 0;
};

}  // namespace kestrel
