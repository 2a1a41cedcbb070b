#include <kestrel/kernels/cuda/gemm_block.h>
#include <kestrel/kernels/cuda/gemm_tile.h>

namespace kestrel::gpu {
namespace {

/// A block is a square of threads, each of a square of sums.
constexpr int kThreadsPerSide = 16, kThreads = kThreadsPerSide * kThreadsPerSide;
/// Depth of a tile: large ones leave fewer registers for what is under way.
template <int kSide>
constexpr int kDepth = kSide == 128 ? 8 : 16;

/// One tile of an operand in shared memory, (depth, extent). Groups of kVec neighbours stay
/// together and are mixed so that a warp that stores chunks along the depth meets all banks.
template <class T, int kSide>
class SharedTile {
 public:
  static constexpr int kSize = kDepth<kSide> * kSide;
  static constexpr int kVec = Pack<T>::kSize;

  __device__ explicit SharedTile(T* memory) : memory_(memory) {}

  template <class Loader>
  __device__ void store(const Loader& loader, const Pack<T> (&chunks)[Loader::kCount]) {
#pragma unroll
    for (int i = 0; i < Loader::kCount; ++i) {
      if constexpr (Loader::kDepthInner) {
        for (int e = 0; e < kVec; ++e) *at(loader.column() + e, loader.row(i)) = chunks[i][e];
      } else {
        *reinterpret_cast<Pack<T>*>(at(loader.row(i), loader.column())) = chunks[i];
      }
    }
  }

  /// The values that thread `index` of a side multiplies: groups of kVec, kThreadsPerSide * kVec
  /// apart.
  template <int kPer>
  __device__ void load(int depth, int index, T (&values)[kPer]) const {
#pragma unroll
    for (int i = 0; i < kPer; i += kVec) {
      const auto group = *reinterpret_cast<const Pack<T>*>(at(depth, extent_of(index, i)));
      for (int e = 0; e < kVec; ++e) values[i + e] = group[e];
    }
  }
  /// Where value i of those lies in the extent.
  static __device__ int extent_of(int index, int i) {
    return index * kVec + i / kVec * kVec * kThreadsPerSide + i % kVec;
  }

 private:
  __device__ T* at(int depth, int extent) const {
    constexpr int kLine = 128 / static_cast<int>(sizeof(T)), kChunks = kDepth<kSide> / kVec;
    return memory_ + depth * kSide + (extent ^ (depth / kVec * (kLine / kChunks)));
  }

  T* memory_;
};

/// Passes the sums of thread (thread_m, thread_n) to the epilogue, in runs of kCount.
template <int kCount, class Tile, class T, int kPer>
__device__ void store_sums(const T (&sums)[kPer][kPer], int thread_m, int thread_n,
                           const GemmBlock& block, const GemmGrid& grid, const ResultRows& rows,
                           const Epilogue<T>& epilogue) {
  const int64_t base = block.group * rows.group_stride + block.split * rows.split_stride;
#pragma unroll
  for (int j = 0; j < kPer; j += kCount) {
    const int column = block.column + Tile::extent_of(thread_n, j);
    if (column >= grid.n) continue;
    T bias[kCount];
    epilogue.load_bias(int64_t{block.group} * grid.n + column, bias);
#pragma unroll
    for (int i = 0; i < kPer; ++i) {
      const int row = block.row + Tile::extent_of(thread_m, i);
      if (row >= grid.m) continue;
      T values[kCount];
      for (int e = 0; e < kCount; ++e) values[e] = sums[i][j + e] + bias[e];
      epilogue.store(base + rows.offset(row) + column, values);
    }
  }
}

template <class Source, int kSide, bool kAligned>
using Loader = TileLoader<Source, kSide, kDepth<kSide>, kThreads, kAligned>;

template <class T, int kSide, bool kAligned, class A, class B>
__global__ void __launch_bounds__(kThreads, 2)
    simt_kernel(GemmGrid grid, A a, B b, ResultRows rows, bool packed, Epilogue<T> epilogue) {
  using Tile = SharedTile<T, kSide>;
  constexpr int kPer = kSide / kThreadsPerSide, kVec = Tile::kVec;
  const GemmBlock block = grid.block<kSide, kDepth<kSide>>();
  a.data += block.group * a.group_stride;
  b.data += block.group * b.group_stride;
  using LoadA = Loader<A, kSide, kAligned>;
  using LoadB = Loader<B, kSide, kAligned>;
  LoadA load_a(a, block.row, block.depth);
  LoadB load_b(b, block.column, block.depth);
  Pack<T> next_a[LoadA::kCount], next_b[LoadB::kCount];

  T* const memory = dynamic_shared<T>();  // two tiles of each operand: one is read, one written
  const auto tile_a = [&](int tile) { return Tile(memory + tile % 2 * 2 * Tile::kSize); };
  const auto tile_b = [&](int tile) { return Tile(memory + (tile % 2 * 2 + 1) * Tile::kSize); };
  const auto read = [&](int tile) {
    if (tile >= block.tiles) return;
    load_a.read_next(next_a);
    load_b.read_next(next_b);
  };
  const auto store = [&](int tile) {
    if (tile >= block.tiles) return;
    tile_a(tile).store(load_a, next_a);
    tile_b(tile).store(load_b, next_b);
  };

  const int thread_m = static_cast<int>(threadIdx.x) / kThreadsPerSide;
  const int thread_n = static_cast<int>(threadIdx.x) % kThreadsPerSide;
  T sums[kPer][kPer] = {};
  read(0);
  store(0);
  __syncthreads();
  for (int tile = 0; tile < block.tiles; ++tile) {
    read(tile + 1);
    for (int depth = 0; depth < kDepth<kSide>; ++depth) {
      T left[kPer], right[kPer];
      tile_a(tile).load(depth, thread_m, left);
      tile_b(tile).load(depth, thread_n, right);
#pragma unroll
      for (int i = 0; i < kPer; ++i) {
#pragma unroll
        for (int j = 0; j < kPer; ++j) sums[i][j] += left[i] * right[j];
      }
    }
    store(tile + 1);
    __syncthreads();
  }

  if (packed) {
    store_sums<kVec, Tile>(sums, thread_m, thread_n, block, grid, rows, epilogue);
  } else {
    store_sums<1, Tile>(sums, thread_m, thread_n, block, grid, rows, epilogue);
  }
}

template <int kSide, bool kAligned, class T, class A, class B>
void start(Product<A, B> product, const GemmPlan& plan, const Epilogue<T>& epilogue,
           Stream stream) {
  Loader<A, kSide, kAligned>::set_stride(product.a);
  Loader<B, kSide, kAligned>::set_stride(product.b);
  launch_gemm<kSide, kDepth<kSide>>(simt_kernel<T, kSide, kAligned, A, B>, kThreads,
                                    4 * SharedTile<T, kSide>::kSize * sizeof(T), product, plan,
                                    epilogue, stream);
}

}  // namespace

template <class T, class A, class B>
void multiply_simt(const Product<A, B>& product, const GemmPlan& plan, const Epilogue<T>& epilogue,
                   Stream stream) {
  if constexpr (std::is_same_v<T, float>) {
    if (plan.large) {
      start<128, true>(product, plan, epilogue, stream);
      return;
    }
    if (plan.aligned) {
      start<64, true>(product, plan, epilogue, stream);
      return;
    }
  }
  start<64, false>(product, plan, epilogue, stream);
}

template void multiply_simt(const ForwardProduct<float>&, const GemmPlan&, const Epilogue<float>&,
                            Stream);
template void multiply_simt(const BackwardDataProduct<float>&, const GemmPlan&,
                            const Epilogue<float>&, Stream);
template void multiply_simt(const BackwardWeightsProduct<float>&, const GemmPlan&,
                            const Epilogue<float>&, Stream);
template void multiply_simt(const TransposedProduct<float>&, const GemmPlan&,
                            const Epilogue<float>&, Stream);
template void multiply_simt(const ForwardProduct<double>&, const GemmPlan&, const Epilogue<double>&,
                            Stream);
template void multiply_simt(const BackwardDataProduct<double>&, const GemmPlan&,
                            const Epilogue<double>&, Stream);
template void multiply_simt(const BackwardWeightsProduct<double>&, const GemmPlan&,
                            const Epilogue<double>&, Stream);
template void multiply_simt(const TransposedProduct<double>&, const GemmPlan&,
                            const Epilogue<double>&, Stream);

}  // namespace kestrel::gpu
