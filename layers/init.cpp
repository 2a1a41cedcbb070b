#include <kestrel/layers/init.h>

#include <cmath>

namespace kestrel::init {
namespace {

struct Fans {
  double in = 0;
  double out = 0;
};

Fans fans_of(const Variable& weight) {
  const Shape& shape = weight.shape();
  KESTREL_CHECK(shape.dims() >= 2, "[init] a weight of shape ", shape, " has no fans");
  double field = 1;
  for (int i = 1; i + 1 < shape.dims(); ++i) field *= static_cast<double>(shape[i]);
  return {field * static_cast<double>(shape[-1]), field * static_cast<double>(shape[0])};
}

void draw(Variable& weight, double std, Distribution distribution, Philox& random) {
  if (distribution == Distribution::Normal) {
    fill_normal(weight.data(), 0, std, random);
  } else {
    const double bound = std::sqrt(3.0) * std;
    fill_uniform(weight.data(), -bound, bound, random);
  }
}

}  // namespace

void constant(Variable& weight, double value) {
  weight.data().fill(value);
}
void uniform(Variable& weight, double low, double high, Philox& random) {
  fill_uniform(weight.data(), low, high, random);
}
void normal(Variable& weight, double mean, double std, Philox& random) {
  fill_normal(weight.data(), mean, std, random);
}

void truncated_normal(Variable& weight, double mean, double std, double low, double high,
                      Philox& random) {
  Tensor host = Tensor::empty(weight.shape(), DType::Float32);
  float* values = host.data<float>();
  for (int64_t i = 0; i < host.numel(); ++i) {
    double value = 0;
    do {
      value = mean + std * random.normal();
    } while (value < low || value > high);
    values[i] = static_cast<float>(value);
  }
  weight.data().copy_from(host);
}

void xavier(Variable& weight, double gain, Distribution distribution, Philox& random) {
  const Fans fans = fans_of(weight);
  draw(weight, gain * std::sqrt(2 / (fans.in + fans.out)), distribution, random);
}

void kaiming(Variable& weight, double a, FanMode mode, Distribution distribution, Philox& random) {
  const Fans fans = fans_of(weight);
  const double fan = mode == FanMode::In ? fans.in : fans.out;
  draw(weight, std::sqrt(2 / (1 + a * a) / fan), distribution, random);
}

void torch_default(Variable& weight, Variable& bias, Philox& random) {
  const double bound = 1 / std::sqrt(fans_of(weight).in);
  fill_uniform(weight.data(), -bound, bound, random);
  if (bias) fill_uniform(bias.data(), -bound, bound, random);
}

double bias_for_probability(double probability) {
  return -std::log((1 - probability) / probability);
}

}  // namespace kestrel::init
