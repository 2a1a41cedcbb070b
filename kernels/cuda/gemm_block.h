#pragma once

#include <kestrel/kernels/cuda/gemm.h>
#include <kestrel/kernels/cuda/launch.h>

namespace kestrel::gpu {

/// What one block of threads computes: a square of sums, over all of the depth or one split of it.
struct GemmBlock {
  int group, split;
  int row, column;   ///< Of the result.
  int depth, tiles;  ///< Where its depth begins, and its tiles.
};

struct GemmGrid {
  int m, n;
  int tiles_m, tiles_n, tiles_k;
  int splits, split_tiles;

  /// Neighbouring blocks share rows of the left operand, which is the larger one as a rule.
  template <int kSide, int kDepth>
  __device__ GemmBlock block() const {
    const int index = static_cast<int>(blockIdx.x);
    const int line = index / tiles_n, plane = line / tiles_m;
    const int split = plane % splits;
    const int first = split * split_tiles, left = tiles_k - first;
    return {.group = plane / splits,
            .split = split,
            .row = line % tiles_m * kSide,
            .column = index % tiles_n * kSide,
            .depth = first * kDepth,
            .tiles = left < 0 ? 0 : (left < split_tiles ? left : split_tiles)};
  }
};

/// Starts kernel(grid, a, b, rows, packed, epilogue) with a block for every square of kSide sums.
template <int kSide, int kDepth, class Kernel, class T, class A, class B>
void launch_gemm(Kernel kernel, int threads, size_t shared_bytes, const Product<A, B>& product,
                 const GemmPlan& plan, const Epilogue<T>& epilogue, Stream stream) {
  const auto [m, n, k, groups] = product.size;
  const auto count = [](int64_t size, int64_t part) {
    return static_cast<int>((small_size(size) + part - 1) / part);
  };
  const int tiles_k = count(k, kDepth);
  const GemmGrid grid{.m = static_cast<int>(m),
                      .n = static_cast<int>(n),
                      .tiles_m = count(m, kSide),
                      .tiles_n = count(n, kSide),
                      .tiles_k = tiles_k,
                      .splits = static_cast<int>(plan.splits),
                      .split_tiles = count(tiles_k, plan.splits)};
  const int64_t blocks = int64_t{grid.tiles_m} * grid.tiles_n * plan.splits * groups;
  KESTREL_CHECK(blocks < int64_t{1} << 31, "[gemm] a product of ", m, " x ", n, " in ", groups,
                " groups is too large for one launch");
  launch(kernel,
         {dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(threads)), shared_bytes,
          stream},
         grid, product.a, product.b, product.rows, plan.packed, epilogue);
}

}  // namespace kestrel::gpu
