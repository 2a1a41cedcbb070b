// A vector of floats that is calculated with like a float, for functions that are written once for
// both (kernels/common/*_functions-inl.h). Included inside Highway's mechanism, as simd-inl.h is.

#if defined(KESTREL_KERNELS_CPU_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KESTREL_KERNELS_CPU_LANES_INL_H_
#undef KESTREL_KERNELS_CPU_LANES_INL_H_
#else
#define KESTREL_KERNELS_CPU_LANES_INL_H_
#endif

#include <cmath>

#include <hwy/highway.h>
// After highway.h: it is read once per processor.
#include <hwy/contrib/math/math-inl.h>

#include <kestrel/kernels/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace kestrel::cpu::HWY_NAMESPACE {

struct Lanes {
  FloatVector v;

  HWY_INLINE Lanes(FloatVector vector) : v(vector) {}  // NOLINT(google-explicit-constructor)
  HWY_INLINE explicit Lanes(double value) : v(hn::Set(FloatTag(), static_cast<float>(value))) {}
};
struct LaneMask {
  hn::Mask<FloatTag> m;
};

HWY_INLINE Lanes operator+(Lanes a, Lanes b) {
  return hn::Add(a.v, b.v);
}
HWY_INLINE Lanes operator-(Lanes a, Lanes b) {
  return hn::Sub(a.v, b.v);
}
HWY_INLINE Lanes operator-(Lanes a) {
  return hn::Neg(a.v);
}
HWY_INLINE Lanes operator*(Lanes a, Lanes b) {
  return hn::Mul(a.v, b.v);
}
HWY_INLINE Lanes operator/(Lanes a, Lanes b) {
  return hn::Div(a.v, b.v);
}
HWY_INLINE LaneMask operator<(Lanes a, Lanes b) {
  return {hn::Lt(a.v, b.v)};
}
HWY_INLINE LaneMask operator>(Lanes a, Lanes b) {
  return {hn::Gt(a.v, b.v)};
}
HWY_INLINE LaneMask operator<=(Lanes a, Lanes b) {
  return {hn::Le(a.v, b.v)};
}
HWY_INLINE LaneMask operator>=(Lanes a, Lanes b) {
  return {hn::Ge(a.v, b.v)};
}
HWY_INLINE LaneMask operator==(Lanes a, Lanes b) {
  return {hn::Eq(a.v, b.v)};
}
HWY_INLINE LaneMask operator!=(Lanes a, Lanes b) {
  return {hn::Not(hn::Eq(a.v, b.v))};  // as hn::Ne is not, true of NaN
}
HWY_INLINE Lanes select(LaneMask mask, Lanes a, Lanes b) {
  return hn::IfThenElse(mask.m, a.v, b.v);
}

HWY_INLINE Lanes abs(Lanes x) {
  return hn::Abs(x.v);
}
HWY_INLINE Lanes sqrt(Lanes x) {
  return hn::Sqrt(x.v);
}

// Highway's functions are for a range of finite arguments.

HWY_INLINE Lanes exp(Lanes x) {
  const FloatTag d;
  const auto result = hn::Exp(d, hn::Min(x.v, hn::Set(d, 100.0f)));
  return hn::IfThenElse(hn::IsNaN(x.v), x.v, result);
}
HWY_INLINE Lanes log(Lanes x) {
  const FloatTag d;
  const auto finite = hn::Log(d, hn::Min(x.v, hn::Set(d, hwy::HighestValue<float>())));
  const auto inf = hn::Inf(d);
  const auto positive = hn::IfThenElse(hn::Eq(x.v, inf), inf, finite);
  const auto not_negative = hn::IfThenElse(hn::Eq(x.v, hn::Zero(d)), hn::Neg(inf), positive);
  return hn::IfThenElse(hn::Ge(x.v, hn::Zero(d)), not_negative, hn::NaN(d));
}
/// Of 0 to 1.
HWY_INLINE Lanes log1p(Lanes x) {
  return hn::IfThenElse(hn::IsNaN(x.v), x.v, hn::Log1p(FloatTag(), x.v));
}
HWY_INLINE Lanes expm1(Lanes x) {
  const FloatTag d;
  const auto result = hn::Expm1(d, hn::Clamp(x.v, hn::Set(d, -100.0f), hn::Set(d, 100.0f)));
  return hn::IfThenElse(hn::IsNaN(x.v), x.v, result);
}
HWY_INLINE Lanes tanh(Lanes x) {
  const FloatTag d;
  const auto result = hn::Tanh(d, hn::Clamp(x.v, hn::Set(d, -20.0f), hn::Set(d, 20.0f)));
  return hn::IfThenElse(hn::IsNaN(x.v), x.v, result);
}

/// f of every lane.
template <class F>
HWY_INLINE Lanes each_lane(Lanes x, Lanes y, F f) {
  HWY_ALIGN float a[kLanes];
  HWY_ALIGN float b[kLanes];
  hn::Store(x.v, FloatTag(), a);
  hn::Store(y.v, FloatTag(), b);
  for (int64_t i = 0; i < kLanes; ++i) a[i] = f(a[i], b[i]);
  return hn::Load(FloatTag(), a);
}
HWY_INLINE Lanes erf(Lanes x) {
  return each_lane(x, x, [](float a, float) { return std::erf(a); });
}
HWY_INLINE Lanes pow(Lanes x, Lanes y) {
  return each_lane(x, y, [](float a, float b) { return std::pow(a, b); });
}
HWY_INLINE Lanes atan2(Lanes x, Lanes y) {
  return each_lane(x, y, [](float a, float b) { return std::atan2(a, b); });
}
HWY_INLINE bool within(Lanes x, float limit) {
  return hn::AllTrue(FloatTag(), hn::Le(hn::Abs(x.v), hn::Set(FloatTag(), limit)));
}
HWY_INLINE Lanes sin(Lanes x) {
  if (within(x, 30000.0f)) return hn::Sin(FloatTag(), x.v);
  return each_lane(x, x, [](float a, float) { return std::sin(a); });
}
HWY_INLINE Lanes cos(Lanes x) {
  if (within(x, 30000.0f)) return hn::Cos(FloatTag(), x.v);
  return each_lane(x, x, [](float a, float) { return std::cos(a); });
}

}  // namespace kestrel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
