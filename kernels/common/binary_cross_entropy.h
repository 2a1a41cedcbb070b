#pragma once

#include <cmath>

#include <kestrel/kernels/common/host_device.h>

/// Binary cross entropy of one logit with a target in [0, 1], whose positive term is multiplied by
/// `positive`; shared by all devices.
namespace kestrel::binary_cross_entropy {

template <class A>
KESTREL_HOST_DEVICE inline A loss(A logit, A target, A positive) {
  // -log sigmoid(x) = log(1 + exp(-x)), without overflow.
  const A softplus = std::log1p(std::exp(-std::abs(logit))) + (logit < 0 ? -logit : A(0));
  return (1 - target) * logit + (1 + (positive - 1) * target) * softplus;
}

/// Its derivative by the logit.
template <class A>
KESTREL_HOST_DEVICE inline A slope(A logit, A target, A positive) {
  const A negative_probability = 1 / (1 + std::exp(logit));
  return (1 - target) - (1 + (positive - 1) * target) * negative_probability;
}

}  // namespace kestrel::binary_cross_entropy
