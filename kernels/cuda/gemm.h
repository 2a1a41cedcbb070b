#pragma once

#include <algorithm>
#include <span>
#include <type_traits>

#include <kestrel/kernels/cuda/epilogue.h>
#include <kestrel/kernels/cuda/gemm_operand.h>
#include <kestrel/kernels/cuda/scratch.h>

/// Matrix products, of which convolutions and their gradients are instances: for every group,
/// (m, n) = a (m, k) * b (k, n), ended by an Epilogue.
///
///   ForwardProduct           patches of the input            * weight^T
///   BackwardDataProduct      patches of the output gradient  * weight, tap by tap
///   BackwardWeightsProduct   output gradient^T               * patches of the input
///
/// bfloat16 and float16 run on tensor cores with float32 sums, float32 and float64 on ordinary
/// ones. The order of additions depends on the sizes alone.
namespace kestrel::gpu {

/// Where row (image, y, x) of a result begins in the output, in elements.
struct ResultRows {
  int64_t image_stride, row_stride = 0, pixel_stride = 0;
  int64_t origin = 0, group_stride = 0, split_stride = 0;
  Radix points = {};

  __device__ int64_t offset(int row) const {
    const Radix::Position p = points.split(row);
    return origin + p.outer * image_stride + p.middle * row_stride + p.inner * pixel_stride;
  }
  bool multiples_of(int64_t count) const {
    return image_stride % count == 0 && row_stride % count == 0 && pixel_stride % count == 0 &&
           origin % count == 0 && group_stride % count == 0 && split_stride % count == 0;
  }
};

struct GemmSize {
  int64_t m, n, k, groups = 1;
};

template <class A, class B>
struct Product {
  GemmSize size;
  A a;
  B b;
  ResultRows rows;
};
template <class T>
using ForwardProduct = Product<Operand<Patches<T>, Inner::Depth>, Operand<Matrix<T>, Inner::Depth>>;
template <class T>
using BackwardDataProduct =
    Product<Operand<Patches<T>, Inner::Depth>, Operand<TapWeights<T>, Inner::Extent>>;
template <class T>
using BackwardWeightsProduct =
    Product<Operand<Matrix<T>, Inner::Extent>, Operand<Patches<T>, Inner::Extent>>;
/// a^T * b^T, which no convolution needs.
template <class T>
using TransposedProduct =
    Product<Operand<Matrix<T>, Inner::Extent>, Operand<Matrix<T>, Inner::Depth>>;

struct GemmOptions {
  /// Multiplies aligned float32 on tensor cores, rounded to 10 bits of fraction. No operator asks
  /// for it: their float32 stays float32.
  bool tf32 = false;
};

/// How products are cut into blocks of threads.
struct GemmPlan {
  bool large = false;    ///< Tiles of 128 x 128 sums rather than 64 x 64.
  bool aligned = false;  ///< Operands are read 16 bytes at a time.
  bool packed = false;   ///< The output is written 16 bytes at a time.
  int64_t splits = 1;    ///< Of the depth, joined afterwards.
};

/// Chooses tiles and splits; `size` is the largest of the products.
GemmPlan plan_gemm(const GemmSize& size, bool aligned);

/// output = the sums of `splits` partial outputs of `count` elements each, `channels` in the last
/// dimension, through the epilogue.
template <class T>
void join_splits(const Accumulate<T>* partial, int64_t splits, int64_t count, int64_t channels,
                 bool packed, const Epilogue<T>& epilogue, Stream stream);

/// One product: on ordinary cores, T float32 or float64, and on tensor cores, T bfloat16, float16
/// or (aligned operands only) float32 as tf32.
template <class T, class A, class B>
void multiply_simt(const Product<A, B>& product, const GemmPlan& plan, const Epilogue<T>& epilogue,
                   Stream stream);
template <class T, class A, class B>
void multiply_mma(const Product<A, B>& product, const GemmPlan& plan, const Epilogue<T>& epilogue,
                  Stream stream);

/// Computes an output of `count` elements, `channels` in its last dimension, that the products
/// together make up.
template <class T, class A, class B>
void gemm(std::span<const Product<A, B>> products, int64_t count, int64_t channels,
          const Epilogue<T>& epilogue, const GemmOptions& options, Stream stream) {
  GemmSize largest{0, 0, 0};
  bool aligned = true;
  bool packed = is_packed(static_cast<const T*>(epilogue.output), channels) &&
                is_packed(static_cast<const T*>(epilogue.residual), channels);
  for (const auto& [size, a, b, rows] : products) {
    largest = {std::max(largest.m, size.m), std::max(largest.n, size.n),
               std::max(largest.k, size.k), size.groups};
    aligned = aligned && a.aligned() && b.aligned();
    packed = packed && size.n % Pack<T>::kSize == 0 && rows.multiples_of(Pack<T>::kSize);
  }
  GemmPlan plan = plan_gemm(largest, aligned && !std::is_same_v<T, double>);
  plan.packed = packed;
  const auto multiply = [&](const Epilogue<T>& end, int64_t split_stride) {
    for (Product<A, B> product : products) {
      product.rows.split_stride = split_stride;
      if constexpr (is_half(dtype_of<T>)) {
        multiply_mma(product, plan, end, stream);
      } else if constexpr (std::is_same_v<T, float>) {
        if (options.tf32 && aligned) {
          multiply_mma(product, plan, end, stream);
        } else {
          multiply_simt(product, plan, end, stream);
        }
      } else {
        multiply_simt(product, plan, end, stream);
      }
    }
  };
  if (plan.splits == 1) {
    multiply(epilogue, 0);
    return;
  }
  const Scratch<Accumulate<T>> partial(plan.splits * count, stream);
  multiply({.output = partial.get(), .wide = true}, count);
  join_splits(partial.get(), plan.splits, count, channels, packed, epilogue, stream);
}

}  // namespace kestrel::gpu
