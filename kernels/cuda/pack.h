#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <kestrel/kernels/common/host_device.h>
#include <kestrel/kernels/cuda/shared.h>

namespace kestrel::gpu {

/// `size` values of T that move in one load or store. The address must be a multiple of their
/// bytes, which are a power of two and at most 16.
template <class T, int size>
struct alignas(sizeof(T) * size) Vector {
  static constexpr int kSize = size;
  T v[kSize];

  KESTREL_HOST_DEVICE T& operator[](int i) { return v[i]; }
  KESTREL_HOST_DEVICE const T& operator[](int i) const { return v[i]; }
};

/// 16 bytes of T.
template <class T>
using Pack = Vector<T, 16 / static_cast<int>(sizeof(T))>;

/// Whether `count` values from p on are whole vectors of `size`.
template <int size, class T>
bool is_vector(const T* p, int64_t count) {
  return reinterpret_cast<uintptr_t>(p) % (sizeof(T) * size) == 0 && count % size == 0;
}

/// Whether `count` values from p on are whole packs.
template <class T>
bool is_packed(const T* p, int64_t count) {
  return is_vector<Pack<T>::kSize>(p, count);
}

/// The same memory as vectors of `size`.
template <int size, class T>
KESTREL_HOST_DEVICE Vector<T, size>* vectors(T* p) {
  return reinterpret_cast<Vector<T, size>*>(p);
}
template <int size, class T>
KESTREL_HOST_DEVICE const Vector<T, size>* vectors(const T* p) {
  return reinterpret_cast<const Vector<T, size>*>(p);
}

/// Calls f with how many values of T a thread moves at once, as a std::integral_constant: a pack's
/// where everything is `packed`, else 1.
template <class T, class F>
void visit_pack(bool packed, F&& f) {
  if (packed) {
    f(std::integral_constant<int, Pack<T>::kSize>{});
  } else {
    f(std::integral_constant<int, 1>{});
  }
}

/// Calls f with the channels that a thread takes of maps of T and of their places of type I: as
/// many as fill 16 bytes of the wider type, or 1.
template <class T, class I, class F>
void visit_vector(int64_t channels, const T* a, const T* b, const I* which, F&& f) {
  constexpr int kSize = std::min(Pack<T>::kSize, Pack<I>::kSize);
  if (is_vector<kSize>(a, channels) && is_vector<kSize>(b, channels) &&
      is_vector<kSize>(which, channels)) {
    f(std::integral_constant<int, kSize>{});
  } else {
    f(std::integral_constant<int, 1>{});
  }
}

}  // namespace kestrel::gpu
