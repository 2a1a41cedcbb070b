#include <kestrel/kernels/cuda/arch/ldmatrix.h>
#include <kestrel/kernels/cuda/arch/mma.h>
#include <kestrel/kernels/cuda/gemm_block.h>
#include <kestrel/kernels/cuda/gemm_tile.h>
#include <kestrel/kernels/cuda/reduce.h>

namespace kestrel::gpu {
namespace {

/// Tiles on their way to or in shared memory.
constexpr int kStages = 3;
/// Depth of a tile: two steps of the 32 bytes that one mma takes.
constexpr int kStep = 32, kDepthBytes = 2 * kStep;
/// A block is 2 x (kSide / 32) warps, each of kSide / 2 x 32 sums.
constexpr int kWarpColumns = 32;

template <class T>
constexpr int kDepth = kDepthBytes / static_cast<int>(sizeof(T));
constexpr int threads_of(int side) {
  return 2 * kWarp * side / kWarpColumns;
}
/// 16-byte chunks of one tile of one operand.
constexpr int chunks_of(int side) {
  return side * kDepthBytes / 16;
}

template <int kSide>
using Sums = float[kSide / 2 / 16][kWarpColumns / 8][4];

__device__ void multiply(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                         bfloat16) {
  mma_m16n8k16_bf16(sum, a, b);
}
__device__ void multiply(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], float16) {
  mma_m16n8k16_f16(sum, a, b);
}
__device__ void multiply(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], float) {
  mma_m16n8k8_tf32(sum, a, b);
}

/// Loads what one step takes of kCount times 16 rows (columns) of the result, from `extent` on.
/// Each r has
///   r[0] rows 0-7, bytes 0-15 of the step   r[2] rows 0-7, bytes 16-31
///   r[1] rows 8-15                          r[3] rows 8-15
template <class Source, int kSide, int kCount>
__device__ void load_fragments(const Pack<typename Source::Element>* tile, int extent, int step,
                               uint32_t (&r)[kCount][4]) {
  using T = typename Source::Element;
  constexpr int kChunks = Source::kDepthInner ? kDepthBytes / 16 : kSide / Pack<T>::kSize;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if constexpr (Source::kDepthInner) {
    const Pack<T>* row = tile + swizzled<kChunks>(extent + lane % 16, step * 2 + lane / 16);
#pragma unroll
    for (int i = 0; i < kCount; ++i) ldmatrix_x4<false>(r[i], row + i * 16 * kChunks);
  } else if constexpr (sizeof(T) == 2) {
    const int row = step * 16 + lane / 16 * 8 + lane % 8, chunk = extent / 8 + lane / 8 % 2;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      ldmatrix_x4<true>(r[i], tile + swizzled<kChunks>(row, chunk + i * 2));
    }
  } else {
#pragma unroll
    for (int i = 0; i < kCount * 4; ++i) {
      const int at = extent + i / 4 * 16 + i % 2 * 8 + lane / 4;
      const int row = step * 8 + i / 2 % 2 * 4 + lane % 4;
      r[i / 4][i % 4] = __float_as_uint(tile[swizzled<kChunks>(row, at / 4)][at % 4]);
    }
  }
  if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (int i = 0; i < kCount * 4; ++i) r[i / 4][i % 4] = to_tf32(r[i / 4][i % 4]);
  }
}

/// sums += a * b, over the depth of one tile.
template <class A, class B, int kSide>
__device__ void multiply_tile(const Pack<typename A::Element>* a,
                              const Pack<typename B::Element>* b, int row, int column,
                              Sums<kSide>& sums) {
  constexpr int kRows = kSide / 2 / 16, kColumns = kWarpColumns / 16;
  // Not unrolled: the fragments of two steps at once would not leave registers for two blocks.
#pragma unroll 1
  for (int step = 0; step < kDepthBytes / kStep; ++step) {
    uint32_t left[kRows][4], right[kColumns][4];
    load_fragments<A, kSide>(a, row, step, left);
    load_fragments<B, kSide>(b, column, step, right);
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const uint32_t b_half[2] = {right[j][half], right[j][half + 2]};
          multiply(sums[i][j * 2 + half], left[i], b_half, typename A::Element{});
        }
      }
    }
  }
}

/// Floats that a warp stages of 16 rows of sums, and where (row, column) lies among them: free of
/// bank conflicts for the writes of pairs and the reads of fours below.
constexpr int kStagedRow = kWarpColumns + 8, kStaged = 16 * kStagedRow;
__device__ int staged(int row, int column) {
  return row * kStagedRow + (column ^ (row % 2 * 4));
}

/// Passes the sums of a warp, (row, column) of the result on, to the epilogue: 16 rows at a time
/// through shared memory, so that neighbouring lanes store neighbouring runs of kCount.
template <class T, int kSide, int kCount>
__device__ void store_sums(const Sums<kSide>& sums, float* stage, int row, int column,
                           const GemmBlock& block, const GemmGrid& grid, const ResultRows& rows,
                           const Epilogue<T>& epilogue) {
  constexpr int kRunsPerRow = kWarpColumns / kCount, kPart = kCount < 4 ? kCount : 4;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int first_row = lane / kRunsPerRow, first_column = lane % kRunsPerRow * kCount;
  const int64_t base = block.group * rows.group_stride + block.split * rows.split_stride;
  column += first_column;
  float bias[kCount] = {};
  if (column < grid.n) epilogue.load_bias(int64_t{block.group} * grid.n + column, bias);
#pragma unroll
  for (int i = 0; i < kSide / 2 / 16; ++i) {
#pragma unroll
    for (int j = 0; j < kWarpColumns / 8; ++j) {
      const int at = j * 8 + lane % 4 * 2;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const Run<float, 2> pair = {sums[i][j][half * 2], sums[i][j][half * 2 + 1]};
        *reinterpret_cast<Run<float, 2>*>(stage + staged(lane / 4 + half * 8, at)) = pair;
      }
    }
    __syncwarp();
    for (int r = first_row; r < 16; r += kWarp / kRunsPerRow) {
      const int result_row = row + i * 16 + r;
      if (result_row < grid.m && column < grid.n) {
        float values[kCount];
#pragma unroll
        for (int e = 0; e < kCount; e += kPart) {
          const auto part =
              *reinterpret_cast<const Run<float, kPart>*>(stage + staged(r, first_column + e));
          for (int p = 0; p < kPart; ++p) values[e + p] = part.v[p] + bias[e + p];
        }
        epilogue.store(base + rows.offset(result_row) + column, values);
      }
    }
    __syncwarp();
  }
}

template <class Source, int kSide, bool kAligned>
using Loader =
    TileLoader<Source, kSide, kDepth<typename Source::Element>, threads_of(kSide), kAligned>;

/// Blocks that should fit on a multiprocessor: as many as their registers allow without spills.
constexpr int blocks_of(int side, bool aligned, bool tf32) {
  return side == 128 ? (tf32 ? 1 : 2) : (aligned ? 4 : 3);
}

template <class T, int kSide, bool kAligned, class A, class B>
__global__ void __launch_bounds__(threads_of(kSide), blocks_of(kSide, kAligned, sizeof(T) == 4))
    mma_kernel(GemmGrid grid, A a, B b, ResultRows rows, bool packed, Epilogue<T> epilogue) {
  const GemmBlock block = grid.block<kSide, kDepth<T>>();
  a.data += block.group * a.group_stride;
  b.data += block.group * b.group_stride;
  Loader<A, kSide, kAligned> load_a(a, block.row, block.depth);
  Loader<B, kSide, kAligned> load_b(b, block.column, block.depth);

  Pack<T>* const stages = dynamic_shared<Pack<T>>();
  const auto stage = [&](int tile) { return stages + tile % kStages * 2 * chunks_of(kSide); };
  // One group per tile, empty ones at the end, so that a wait counts tiles.
  const auto copy = [&](int tile) {
    if (tile < block.tiles) {
      load_a.copy_next(stage(tile));
      load_b.copy_next(stage(tile) + chunks_of(kSide));
    }
    cp_async_commit();
  };

  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int row = warp % 2 * (kSide / 2), column = warp / 2 * kWarpColumns;
  Sums<kSide> sums = {};
  for (int tile = 0; tile < kStages - 1; ++tile) copy(tile);
  for (int tile = 0; tile < block.tiles; ++tile) {
    cp_async_wait<kStages - 2>();
    __syncthreads();  // Everyone's part of this tile has come, and everyone is done with the last.
    copy(tile + kStages - 1);
    multiply_tile<A, B, kSide>(stage(tile), stage(tile) + chunks_of(kSide), row, column, sums);
  }
  cp_async_wait<0>();
  __syncthreads();

  float* const staging = reinterpret_cast<float*>(stages) + warp * kStaged;
  if (packed) {
    store_sums<T, kSide, Pack<T>::kSize>(sums, staging, block.row + row, block.column + column,
                                         block, grid, rows, epilogue);
  } else {
    store_sums<T, kSide, 1>(sums, staging, block.row + row, block.column + column, block, grid,
                            rows, epilogue);
  }
}

template <int kSide, bool kAligned, class T, class A, class B>
void start(Product<A, B> product, const GemmPlan& plan, const Epilogue<T>& epilogue,
           Stream stream) {
  Loader<A, kSide, kAligned>::set_stride(product.a);
  Loader<B, kSide, kAligned>::set_stride(product.b);
  constexpr size_t kSharedBytes = kStages * 2 * chunks_of(kSide) * 16;
  static_assert(threads_of(kSide) / kWarp * kStaged * sizeof(float) <= kSharedBytes);
  launch_gemm<kSide, kDepth<T>>(mma_kernel<T, kSide, kAligned, A, B>, threads_of(kSide),
                                kSharedBytes, product, plan, epilogue, stream);
}

}  // namespace

template <class T, class A, class B>
void multiply_mma(const Product<A, B>& product, const GemmPlan& plan, const Epilogue<T>& epilogue,
                  Stream stream) {
  if (plan.large) {
    start<128, true>(product, plan, epilogue, stream);
  } else if (plan.aligned) {
    start<64, true>(product, plan, epilogue, stream);
  } else if constexpr (is_half(dtype_of<T>)) {
    start<64, false>(product, plan, epilogue, stream);
  }
}

template void multiply_mma(const ForwardProduct<bfloat16>&, const GemmPlan&,
                           const Epilogue<bfloat16>&, Stream);
template void multiply_mma(const BackwardDataProduct<bfloat16>&, const GemmPlan&,
                           const Epilogue<bfloat16>&, Stream);
template void multiply_mma(const BackwardWeightsProduct<bfloat16>&, const GemmPlan&,
                           const Epilogue<bfloat16>&, Stream);
template void multiply_mma(const TransposedProduct<bfloat16>&, const GemmPlan&,
                           const Epilogue<bfloat16>&, Stream);
template void multiply_mma(const ForwardProduct<float16>&, const GemmPlan&,
                           const Epilogue<float16>&, Stream);
template void multiply_mma(const BackwardDataProduct<float16>&, const GemmPlan&,
                           const Epilogue<float16>&, Stream);
template void multiply_mma(const BackwardWeightsProduct<float16>&, const GemmPlan&,
                           const Epilogue<float16>&, Stream);
template void multiply_mma(const TransposedProduct<float16>&, const GemmPlan&,
                           const Epilogue<float16>&, Stream);
template void multiply_mma(const ForwardProduct<float>&, const GemmPlan&, const Epilogue<float>&,
                           Stream);
template void multiply_mma(const BackwardDataProduct<float>&, const GemmPlan&,
                           const Epilogue<float>&, Stream);
template void multiply_mma(const BackwardWeightsProduct<float>&, const GemmPlan&,
                           const Epilogue<float>&, Stream);
template void multiply_mma(const TransposedProduct<float>&, const GemmPlan&, const Epilogue<float>&,
                           Stream);

}  // namespace kestrel::gpu
