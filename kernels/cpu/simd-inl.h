// Loads and stores of float32 vectors from float32 or bfloat16 memory, for code that Highway
// compiles once per instruction set. Included inside that mechanism, hence the unusual guard.

#if defined(KESTREL_KERNELS_CPU_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KESTREL_KERNELS_CPU_SIMD_INL_H_
#undef KESTREL_KERNELS_CPU_SIMD_INL_H_
#else
#define KESTREL_KERNELS_CPU_SIMD_INL_H_
#endif

#include <hwy/highway.h>

#include <kestrel/kernels/dtype.h>

HWY_BEFORE_NAMESPACE();
namespace kestrel::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// At most 16 lanes, the unit in which channels are blocked.
using FloatTag = hn::CappedTag<float, 16>;
using FloatVector = hn::Vec<FloatTag>;
inline constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(FloatTag()));

HWY_INLINE FloatVector LoadFloat(const float* from) {
  return hn::LoadU(FloatTag(), from);
}

HWY_INLINE FloatVector LoadFloat(const bfloat16* from) {
  const FloatTag d;
  const hn::RebindToUnsigned<FloatTag> d32;
  const hn::Rebind<uint16_t, FloatTag> d16;
  const auto half = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(from));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, half)));
}

HWY_INLINE void StoreFloat(FloatVector value, float* to) {
  hn::StoreU(value, FloatTag(), to);
}

/// Rounds to nearest, ties to even; NaN stays NaN.
HWY_INLINE void StoreFloat(FloatVector value, bfloat16* to) {
  const FloatTag d;
  const hn::RebindToUnsigned<FloatTag> d32;
  const hn::RebindToSigned<FloatTag> i32;
  const hn::Rebind<uint16_t, FloatTag> d16;
  const auto word = hn::BitCast(d32, value);
  const auto odd = hn::And(hn::ShiftRight<16>(word), hn::Set(d32, 1));
  const auto rounded = hn::Add(word, hn::Add(odd, hn::Set(d32, 0x7fff)));
  const auto quiet = hn::Or(word, hn::Set(d32, 0x400000));
  const auto chosen = hn::IfThenElse(hn::RebindMask(d32, hn::IsNaN(value)), quiet, rounded);
  const auto high = hn::BitCast(i32, hn::ShiftRight<16>(chosen));
  hn::StoreU(hn::DemoteTo(d16, high), d16, reinterpret_cast<uint16_t*>(to));
  (void)d;
}

/// The first `count` lanes from memory, the others zero; touches nothing beyond them.
template <class T>
HWY_INLINE FloatVector LoadFloat(const T* from, int64_t count) {
  if (count >= kLanes) return LoadFloat(from);
  HWY_ALIGN float lanes[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = from[i];
  return hn::Load(FloatTag(), lanes);
}

/// Writes the first `count` lanes and nothing beyond them.
template <class T>
HWY_INLINE void StoreFloat(FloatVector value, T* to, int64_t count) {
  if (count >= kLanes) return StoreFloat(value, to);
  T lanes[kLanes];
  StoreFloat(value, lanes);
  for (int64_t i = 0; i < count; ++i) to[i] = lanes[i];
}

}  // namespace kestrel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
