#pragma once

#include <cmath>

#include <kestrel/kernels/common/host_device.h>

/// Focal loss of one logit (Lin et al. 2017), shared by all devices.
namespace kestrel::focal {

template <class T>
struct LossAndGradient {
  T loss;
  T gradient;
};

/// With z the logit of the wrong answer (x for a negative, -x for a positive), s = sigmoid(z) and
/// l = -log(1 - s) = softplus(z), the loss is s^gamma * l and its derivative by z is
/// s^gamma * (gamma * (1 - s) * l + s). Finite for every finite z; NaN for NaN.
template <class T>
KESTREL_HOST_DEVICE inline LossAndGradient<T> of_wrong_logit(T z, T gamma) {
  const T e = std::exp(-std::abs(z));
  const T log1p_e = std::log1p(e);
  const T large = 1 / (1 + e);
  const T small = e * large;
  const T s = z >= 0 ? large : small;
  const T rest = z >= 0 ? small : large;
  const T l = (z > 0 ? z : T(0)) + log1p_e;
  // log(s) = -softplus(-z), which does not lose the digits of s near 1.
  const T power = gamma == T(2) ? s * s : std::exp(-gamma * ((z < 0 ? -z : T(0)) + log1p_e));
  return {power * l, power * (gamma * rest * l + s)};
}

/// Loss and its derivative by the logit x, without the class weight alpha.
template <class T>
KESTREL_HOST_DEVICE inline LossAndGradient<T> of_logit(T x, bool positive, T gamma) {
  LossAndGradient<T> r = of_wrong_logit(positive ? -x : x, gamma);
  if (positive) r.gradient = -r.gradient;
  return r;
}

}  // namespace kestrel::focal
