#pragma once

#include <limits>

#include <kestrel/tensor/random.h>
#include <kestrel/tensor/tensor.h>

namespace kestrel::test {

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Normally distributed numbers, on the CPU.
inline Tensor random_normal(const Shape& shape, DType dtype = DType::Float32, uint64_t seed = 1,
                            double mean = 0, double std = 1) {
  Tensor tensor = Tensor::empty(shape);
  Philox random(seed);
  fill_normal(tensor, mean, std, random);
  return tensor.to(dtype);
}

}  // namespace kestrel::test
