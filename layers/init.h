#pragma once

#include <array>
#include <utility>

#include <kestrel/autograd/variable.h>
#include <kestrel/tensor/random.h>

/// Initial weights. Fans count as PyTorch's: of a weight (O, kh, kw, I) or (O, I), fan_in is
/// kh * kw * I and fan_out kh * kw * O.
namespace kestrel::init {

enum class FanMode { In, Out };
enum class Distribution { Normal, Uniform };

constexpr auto enum_names(FanMode) {
  return std::array{std::pair{FanMode::In, "fan_in"}, std::pair{FanMode::Out, "fan_out"}};
}
constexpr auto enum_names(Distribution) {
  return std::array{std::pair{Distribution::Normal, "normal"},
                    std::pair{Distribution::Uniform, "uniform"}};
}

void constant(Variable& weight, double value);
void uniform(Variable& weight, double low, double high, Philox& random);
void normal(Variable& weight, double mean, double std, Philox& random);
/// Normal, redrawn where it falls outside [low, high].
void truncated_normal(Variable& weight, double mean, double std, double low, double high,
                      Philox& random);
/// Glorot and Bengio 2010: std = gain * sqrt(2 / (fan_in + fan_out)).
void xavier(Variable& weight, double gain, Distribution distribution, Philox& random);
/// He et al. 2015 for leaky ReLU of slope a (0: ReLU): std = sqrt(2 / (1 + a^2) / fan).
void kaiming(Variable& weight, double a, FanMode mode, Distribution distribution, Philox& random);
/// PyTorch's own initial values of a convolution or linear layer: uniform in
/// +-1 / sqrt(fan_in), for the weight and, where there is one, the bias.
void torch_default(Variable& weight, Variable& bias, Philox& random);
/// The bias b with sigmoid(b) = probability.
double bias_for_probability(double probability);

}  // namespace kestrel::init
