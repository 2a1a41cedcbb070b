#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include <kestrel/kernels/optimizer.h>

/// The updates of optimizer.h, element by element, for every device. An update is made on the host
/// for one tensor and one step; update(param, gradient, states) then does an element. Products are
/// rounded before they are added, as PyTorch's are: what 200 steps lose in the last bit adds up.
namespace kestrel {

/// The gradient with its sign and the decay that is added to it.
template <class T>
struct Slope {
  T sign, decay;

  KESTREL_HOST_DEVICE T operator()(T g, T p) const { return sign * g + decay * p; }
};

template <class T>
Slope<T> slope_of(const ParamTensor& t, bool maximize, bool decoupled = false) {
  return {maximize ? T{-1} : T{1}, decoupled ? T{0} : static_cast<T>(t.weight_decay)};
}

/// What a decoupled decay leaves of a parameter.
template <class T>
T shrink_of(const ParamTensor& t, bool decoupled) {
  return decoupled ? static_cast<T>(1 - t.lr * t.weight_decay) : T{1};
}

/// An average that moves by `blend` towards a value.
template <class T>
KESTREL_HOST_DEVICE T moved(T average, T value, T blend) {
  return average + blend * (value - average);
}

/// The average of squares.
template <class T>
struct Squares {
  T keep, blend;

  KESTREL_HOST_DEVICE T operator()(T average, T g) const { return keep * average + blend * g * g; }
};

template <class T>
Squares<T> squares_of(double keep) {
  return {static_cast<T>(keep), static_cast<T>(1 - keep)};
}

inline double bias_correction(double beta, int64_t step) {
  return 1 - std::pow(beta, static_cast<double>(step));
}

template <class T, bool kMomentum>
struct SgdUpdate {
  static constexpr int kStates = kMomentum ? 1 : 0;
  Slope<T> slope;
  T lr, keep, blend;
  bool nesterov;

  static SgdUpdate of(const ParamTensor& t, const SgdRule& rule) {
    return {slope_of<T>(t, rule.maximize), static_cast<T>(t.lr), static_cast<T>(t.momentum),
            t.step == 1 ? T{1} : static_cast<T>(1 - rule.dampening), rule.nesterov};
  }
  KESTREL_HOST_DEVICE void operator()(T& p, T g, T* s) const {
    const T d = slope(g, p);
    if constexpr (kMomentum) {
      s[0] = keep * s[0] + blend * d;
      p -= lr * (nesterov ? d + keep * s[0] : s[0]);
    } else {
      p -= lr * d;
    }
  }
};

template <class T, bool kAmsgrad>
struct AdamUpdate {
  static constexpr int kStates = kAmsgrad ? 3 : 2;
  Slope<T> slope;
  T blend;
  Squares<T> squares;
  T root_correction, eps, step_size, shrink;

  static AdamUpdate of(const ParamTensor& t, const AdamRule& rule) {
    const bool decoupled = rule.decoupled_weight_decay;
    return {slope_of<T>(t, rule.maximize, decoupled),
            static_cast<T>(1 - t.momentum),
            squares_of<T>(rule.beta2),
            static_cast<T>(std::sqrt(bias_correction(rule.beta2, t.step))),
            static_cast<T>(rule.eps),
            static_cast<T>(t.lr / bias_correction(t.momentum, t.step)),
            shrink_of<T>(t, decoupled)};
  }
  KESTREL_HOST_DEVICE void operator()(T& p, T g, T* s) const {
    const T d = slope(g, p);
    s[0] = moved(s[0], d, blend);
    s[1] = squares(s[1], d);
    T square = s[1];
    if constexpr (kAmsgrad) {
      if (square < s[2]) square = s[2];
      s[2] = square;
    }
    p *= shrink;
    p -= step_size * s[0] / (std::sqrt(square) / root_correction + eps);
  }
};

template <class T>
struct NAdamUpdate {
  static constexpr int kStates = 2;
  Slope<T> slope;
  T blend;
  Squares<T> squares;
  T correction, eps, gradient_size, average_size, shrink;

  static NAdamUpdate of(const ParamTensor& t, const NAdamRule& rule) {
    const bool decoupled = rule.decoupled_weight_decay;
    const double now = nadam_momentum(t.momentum, rule.momentum_decay, t.step);
    const double next = nadam_momentum(t.momentum, rule.momentum_decay, t.step + 1);
    return {slope_of<T>(t, rule.maximize, decoupled),
            static_cast<T>(1 - t.momentum),
            squares_of<T>(rule.beta2),
            static_cast<T>(bias_correction(rule.beta2, t.step)),
            static_cast<T>(rule.eps),
            static_cast<T>(t.lr * (1 - now) / (1 - t.momentum_product)),
            static_cast<T>(t.lr * next / (1 - t.momentum_product * next)),
            shrink_of<T>(t, decoupled)};
  }
  KESTREL_HOST_DEVICE void operator()(T& p, T g, T* s) const {
    const T d = slope(g, p);
    s[0] = moved(s[0], d, blend);
    s[1] = squares(s[1], d);
    const T root = std::sqrt(s[1] / correction) + eps;
    p *= shrink;
    p -= gradient_size * d / root;
    p -= average_size * s[0] / root;
  }
};

template <class T>
struct RAdamUpdate {
  static constexpr int kStates = 2;
  Slope<T> slope;
  T blend;
  Squares<T> squares;
  T eps, step_size, scale, shrink;
  bool adaptive;  ///< Enough steps for the variance to be known.

  static RAdamUpdate of(const ParamTensor& t, const RAdamRule& rule) {
    const bool decoupled = rule.decoupled_weight_decay;
    const auto step = static_cast<double>(t.step);
    const double correction = bias_correction(rule.beta2, t.step);
    const double longest = 2 / (1 - rule.beta2) - 1;
    const double length = longest - 2 * step * std::pow(rule.beta2, step) / correction;
    const bool adaptive = length > 5;
    const double rectified = adaptive
                                 ? std::sqrt((length - 4) * (length - 2) * longest /
                                             ((longest - 4) * (longest - 2) * length) * correction)
                                 : 1;
    return {slope_of<T>(t, rule.maximize, decoupled),
            static_cast<T>(1 - t.momentum),
            squares_of<T>(rule.beta2),
            static_cast<T>(rule.eps),
            static_cast<T>(t.lr / bias_correction(t.momentum, t.step)),
            static_cast<T>(rectified),
            shrink_of<T>(t, decoupled),
            adaptive};
  }
  KESTREL_HOST_DEVICE void operator()(T& p, T g, T* s) const {
    const T d = slope(g, p);
    s[0] = moved(s[0], d, blend);
    s[1] = squares(s[1], d);
    const T factor = adaptive ? scale / (std::sqrt(s[1]) + eps) : T{1};
    p *= shrink;
    p -= step_size * s[0] * factor;
  }
};

template <class T>
struct AdamaxUpdate {
  static constexpr int kStates = 2;
  Slope<T> slope;
  T blend, keep, eps, step_size;

  static AdamaxUpdate of(const ParamTensor& t, const AdamaxRule& rule) {
    return {slope_of<T>(t, rule.maximize), static_cast<T>(1 - t.momentum),
            static_cast<T>(rule.beta2), static_cast<T>(rule.eps),
            static_cast<T>(t.lr / bias_correction(t.momentum, t.step))};
  }
  KESTREL_HOST_DEVICE void operator()(T& p, T g, T* s) const {
    const T d = slope(g, p);
    s[0] = moved(s[0], d, blend);
    const T before = keep * s[1], now = std::abs(d) + eps;
    s[1] = before < now ? now : before;
    p -= step_size * s[0] / s[1];
  }
};

template <class T, bool kMomentum, bool kCentered>
struct RMSpropUpdate {
  static constexpr int kStates = 1 + (kCentered ? 1 : 0) + (kMomentum ? 1 : 0);
  Slope<T> slope;
  Squares<T> squares;
  T eps, lr, momentum;

  static RMSpropUpdate of(const ParamTensor& t, const RMSpropRule& rule) {
    return {slope_of<T>(t, rule.maximize), squares_of<T>(rule.alpha), static_cast<T>(rule.eps),
            static_cast<T>(t.lr), static_cast<T>(t.momentum)};
  }
  KESTREL_HOST_DEVICE void operator()(T& p, T g, T* s) const {
    const T d = slope(g, p);
    s[0] = squares(s[0], d);
    T variance = s[0];
    if constexpr (kCentered) {
      s[1] = moved(s[1], d, squares.blend);
      variance -= s[1] * s[1];
      if (variance < 0) variance = 0;  // by rounding
    }
    const T root = std::sqrt(variance) + eps;
    if constexpr (kMomentum) {
      T& buffer = s[kStates - 1];
      buffer = momentum * buffer + d / root;
      p -= lr * buffer;
    } else {
      p -= lr * d / root;
    }
  }
};

template <class T>
struct AdadeltaUpdate {
  static constexpr int kStates = 2;
  Slope<T> slope;
  Squares<T> squares;
  T eps, lr;

  static AdadeltaUpdate of(const ParamTensor& t, const AdadeltaRule& rule) {
    return {slope_of<T>(t, rule.maximize), squares_of<T>(rule.rho), static_cast<T>(rule.eps),
            static_cast<T>(t.lr)};
  }
  KESTREL_HOST_DEVICE void operator()(T& p, T g, T* s) const {
    const T d = slope(g, p);
    s[0] = squares(s[0], d);
    const T delta = std::sqrt(s[1] + eps) / std::sqrt(s[0] + eps) * d;
    s[1] = squares(s[1], delta);
    p -= lr * delta;
  }
};

template <class T>
struct AdagradUpdate {
  static constexpr int kStates = 1;
  Slope<T> slope;
  T eps, lr;

  static AdagradUpdate of(const ParamTensor& t, const AdagradRule& rule) {
    const double steps = static_cast<double>(t.step - 1);
    return {slope_of<T>(t, rule.maximize), static_cast<T>(rule.eps),
            static_cast<T>(t.lr / (1 + steps * rule.lr_decay))};
  }
  KESTREL_HOST_DEVICE void operator()(T& p, T g, T* s) const {
    const T d = slope(g, p);
    s[0] += d * d;
    p -= lr * d / (std::sqrt(s[0]) + eps);
  }
};

/// Calls f with the type of update that a rule and the states of tensors ask for.
template <class Update>
struct UpdateType {
  using Type = Update;
};
template <class T, class F>
void with_update(const SgdRule&, bool momentum, F f) {
  momentum ? f(UpdateType<SgdUpdate<T, true>>{}) : f(UpdateType<SgdUpdate<T, false>>{});
}
template <class T, class F>
void with_update(const AdamRule& rule, bool, F f) {
  rule.amsgrad ? f(UpdateType<AdamUpdate<T, true>>{}) : f(UpdateType<AdamUpdate<T, false>>{});
}
template <class T, class F>
void with_update(const NAdamRule&, bool, F f) {
  f(UpdateType<NAdamUpdate<T>>{});
}
template <class T, class F>
void with_update(const RAdamRule&, bool, F f) {
  f(UpdateType<RAdamUpdate<T>>{});
}
template <class T, class F>
void with_update(const AdamaxRule&, bool, F f) {
  f(UpdateType<AdamaxUpdate<T>>{});
}
template <class T, class F>
void with_update(const RMSpropRule& rule, bool momentum, F f) {
  if (rule.centered) {
    momentum ? f(UpdateType<RMSpropUpdate<T, true, true>>{})
             : f(UpdateType<RMSpropUpdate<T, false, true>>{});
  } else {
    momentum ? f(UpdateType<RMSpropUpdate<T, true, false>>{})
             : f(UpdateType<RMSpropUpdate<T, false, false>>{});
  }
}
template <class T, class F>
void with_update(const AdadeltaRule&, bool, F f) {
  f(UpdateType<AdadeltaUpdate<T>>{});
}
template <class T, class F>
void with_update(const AdagradRule&, bool, F f) {
  f(UpdateType<AdagradUpdate<T>>{});
}

/// Where a rule keeps momentum among its states; -1: nowhere.
constexpr int momentum_state(const SgdRule&) {
  return 0;
}
constexpr int momentum_state(const RMSpropRule& rule) {
  return rule.centered ? 2 : 1;
}
template <class Rule>
constexpr int momentum_state(const Rule&) {
  return -1;
}

/// LAMB in two passes: advance() updates the states, and from them direction() is the update before
/// it is scaled, as often as it is asked for.
template <class T>
struct LambUpdate {
  static constexpr int kStates = 2;
  T keep, blend;
  Squares<T> squares;
  T correction, root_correction, eps, decay, lr;
  T max_grad_norm;
  bool adapt, trust_clip;

  static LambUpdate of(const ParamTensor& t, const LambRule& rule) {
    const bool corrected = rule.bias_correction;
    return {static_cast<T>(t.momentum),
            rule.grad_averaging ? static_cast<T>(1 - t.momentum) : T{1},
            squares_of<T>(rule.beta2),
            corrected ? static_cast<T>(bias_correction(t.momentum, t.step)) : T{1},
            corrected ? static_cast<T>(std::sqrt(bias_correction(rule.beta2, t.step))) : T{1},
            static_cast<T>(rule.eps),
            static_cast<T>(t.weight_decay),
            static_cast<T>(t.lr),
            static_cast<T>(rule.max_grad_norm),
            t.weight_decay != 0 || rule.always_adapt,
            rule.trust_clip};
  }
  /// What gradients are divided by.
  KESTREL_HOST_DEVICE T divisor(double grad_norm) const {
    const T norm = static_cast<T>(grad_norm);
    return norm > max_grad_norm ? norm / max_grad_norm : T{1};
  }
  KESTREL_HOST_DEVICE void advance(T g, T* s) const {
    s[0] = keep * s[0] + blend * g;
    s[1] = squares(s[1], g);
  }
  KESTREL_HOST_DEVICE T direction(T p, const T* s) const {
    return s[0] / correction / (std::sqrt(s[1]) / root_correction + eps) + decay * p;
  }
  /// What the direction is multiplied by, given the squared norms of parameter and direction.
  KESTREL_HOST_DEVICE T step_size(double param_square, double direction_square) const {
    if (!adapt || !(param_square > 0) || !(direction_square > 0)) return lr;
    const T trust = static_cast<T>(std::sqrt(param_square) / std::sqrt(direction_square));
    return trust_clip && trust > 1 ? lr : lr * trust;
  }
};

struct EmaUpdate {
  float keep, blend;

  static EmaUpdate of(double momentum) {
    return {static_cast<float>(1 - momentum), static_cast<float>(momentum)};
  }
  KESTREL_HOST_DEVICE void operator()(float& average, float value) const {
    average = keep * average + blend * value;
  }
};

KESTREL_HOST_DEVICE inline bool guard_forbids(const double* guard) {
  return guard != nullptr && !(std::abs(*guard) <= std::numeric_limits<double>::max());
}

// Norms: term() of every gradient, put together by join() from 0, and root() of the whole.
struct EuclideanNorm {
  KESTREL_HOST_DEVICE double term(double x) const { return x * x; }
  KESTREL_HOST_DEVICE double join(double a, double b) const { return a + b; }
  KESTREL_HOST_DEVICE double root(double whole) const { return std::sqrt(whole); }
};
struct LargestNorm {
  KESTREL_HOST_DEVICE double term(double x) const { return std::abs(x); }
  KESTREL_HOST_DEVICE double join(double a, double b) const { return a < b || b != b ? b : a; }
  KESTREL_HOST_DEVICE double root(double whole) const { return whole; }
};
struct PowerNorm {
  double power;
  KESTREL_HOST_DEVICE double term(double x) const {
    return power == 1 ? std::abs(x) : std::pow(std::abs(x), power);
  }
  KESTREL_HOST_DEVICE double join(double a, double b) const { return a + b; }
  KESTREL_HOST_DEVICE double root(double whole) const {
    return power == 1 ? whole : std::pow(whole, 1 / power);
  }
};

template <class F>
void with_norm(double norm_type, F f) {
  if (norm_type == 2) {
    f(EuclideanNorm{});
  } else if (norm_type == std::numeric_limits<double>::infinity()) {
    f(LargestNorm{});
  } else {
    f(PowerNorm{norm_type});
  }
}

/// What every gradient is multiplied by, unless it is 1 or more.
KESTREL_HOST_DEVICE inline double clip_factor(double max_norm, double norm) {
  return max_norm / (norm + 1e-6);
}

template <class T>
KESTREL_HOST_DEVICE T clipped(T value, T limit) {
  return value > limit ? limit : value < -limit ? -limit : value;
}

}  // namespace kestrel
