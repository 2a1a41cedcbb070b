#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include <kestrel/kernels/cuda/shared.h>
#include <kestrel/kernels/dtype.h>
#include <kestrel/kernels/view.h>

namespace kestrel::gpu {

/// Neighbouring values that move together. The address must be a multiple of their size, or of 16.
template <class T, int kCount>
struct alignas(kCount * sizeof(T) < 16 ? kCount * sizeof(T) : 16) Run {
  T v[kCount];
};

/// How a product or convolution ends: output = relu?(sum + bias + residual), rounded once.
template <class T>
struct Epilogue {
  using A = Accumulate<T>;

  void* output = nullptr;          ///< Of A where `wide`, else of T.
  const void* residual = nullptr;  ///< Typed like the output, and may be the output; or absent.
  const void* bias = nullptr;      ///< Of A where `wide_bias`, else of T; or absent.
  bool wide = false, wide_bias = false, relu = false;

  /// The bias of neighbouring channels; 0 where there is none.
  template <int kCount>
  __device__ void load_bias(int64_t channel, A (&values)[kCount]) const {
    for (int e = 0; e < kCount; ++e) {
      if (!bias) {
        values[e] = 0;
      } else if (wide_bias) {
        values[e] = static_cast<const A*>(bias)[channel + e];
      } else {
        values[e] = static_cast<A>(static_cast<const T*>(bias)[channel + e]);
      }
    }
  }

  /// Stores neighbouring sums, bias included, from element `offset` of the output on.
  template <int kCount>
  __device__ void store(int64_t offset, A (&values)[kCount]) const {
    if constexpr (std::is_same_v<T, A>) {
      store_as<T>(offset, values);
    } else if (wide) {
      store_as<A>(offset, values);
    } else {
      store_as<T>(offset, values);
    }
  }

 private:
  template <class C, int kCount>
  __device__ void store_as(int64_t offset, A (&values)[kCount]) const {
    if (residual) {
      const auto more =
          *reinterpret_cast<const Run<C, kCount>*>(static_cast<const C*>(residual) + offset);
      for (int e = 0; e < kCount; ++e) values[e] += static_cast<A>(more.v[e]);
    }
    Run<C, kCount> result;
    for (int e = 0; e < kCount; ++e) {
      result.v[e] = static_cast<C>(relu && values[e] < 0 ? A(0) : values[e]);
    }
    *reinterpret_cast<Run<C, kCount>*>(static_cast<C*>(output) + offset) = result;
  }
};

template <class T>
Epilogue<T> make_epilogue(View output, ConstView residual = {}, ConstView bias = {},
                          bool relu = false) {
  return {.output = output.data,
          .residual = residual.data,
          .bias = bias.data,
          .wide = output.dtype != dtype_of<T>,
          .wide_bias = bias.dtype != dtype_of<T>,
          .relu = relu};
}

}  // namespace kestrel::gpu
