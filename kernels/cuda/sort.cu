#include <kestrel/kernels/cuda/sort.h>

#include <bit>
#include <utility>

#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/scan.h>
#include <kestrel/kernels/cuda/scratch.h>

// Few keys: one block, a bitonic network in shared memory. Many: least significant digit first;
// per digit, each block counts the digits of its tile, the counts are summed up, and each block
// moves the keys of its tile behind all those that come before. A warp owns consecutive keys and
// takes them in order, so that equal digits keep their order.

namespace kestrel::gpu {
namespace {

constexpr int kSmall = 4096;
constexpr int kSmallThreads = 1024;

constexpr int kDigitBits = 8;
constexpr int kDigits = 1 << kDigitBits;
constexpr int kThreads = kDigits;
constexpr int kWarps = kThreads / kWarp;
constexpr int kKeysPerThread = 8;
constexpr int64_t kTile = kThreads * kKeysPerThread;

/// One block of kSmallThreads; `size`, at least n, is a power of two.
__global__ void sort_small_kernel(int n, int size, uint64_t* keys) {
  SHARED(uint64_t, sorted, [kSmall]);
  for (int i = static_cast<int>(threadIdx.x); i < size; i += kSmallThreads) {
    sorted[i] = i < n ? keys[i] : ~uint64_t{0};
  }
  __syncthreads();
  for (int run = 2; run <= size; run *= 2) {
    for (int stride = run / 2; stride > 0; stride /= 2) {
      for (int pair = static_cast<int>(threadIdx.x); pair < size / 2; pair += kSmallThreads) {
        const int low = 2 * pair - (pair & (stride - 1));
        const int high = low + stride;
        const bool ascending = (low & run) == 0;
        const uint64_t a = sorted[low];
        const uint64_t b = sorted[high];
        if ((a > b) == ascending) {
          sorted[low] = b;
          sorted[high] = a;
        }
      }
      __syncthreads();
    }
  }
  for (int i = static_cast<int>(threadIdx.x); i < n; i += kSmallThreads) keys[i] = sorted[i];
}

__device__ int digit_of(uint64_t key, int bit) {
  return static_cast<int>((key >> bit) & (kDigits - 1));
}

/// counts (kDigits, tiles): how often each digit occurs in each tile.
__global__ void count_kernel(int64_t n, const uint64_t* keys, int bit, uint32_t* counts) {
  SHARED(uint32_t, own, [kDigits]);
  own[threadIdx.x] = 0;
  __syncthreads();
  const int64_t begin = int64_t{blockIdx.x} * kTile;
  for (int k = 0; k < kKeysPerThread; ++k) {
    const int64_t i = begin + k * kThreads + threadIdx.x;
    if (i < n) atomicAdd(&own[digit_of(keys[i], bit)], 1u);
  }
  __syncthreads();
  counts[int64_t{threadIdx.x} * gridDim.x + blockIdx.x] = own[threadIdx.x];
}

/// Replaces the counts of a digit, one block for each, by how many keys with that digit lie in
/// earlier tiles; totals (kDigits): how many there are.
__global__ void sum_counts_kernel(int64_t tiles, uint32_t* counts, uint32_t* totals) {
  SHARED(uint32_t, scratch, [kWarp]);
  uint32_t* row = counts + blockIdx.x * tiles;
  uint32_t sum = 0;
  for (int64_t begin = 0; begin < tiles; begin += kThreads) {
    const int64_t i = begin + threadIdx.x;
    uint32_t total = 0;
    const uint32_t before = block_exclusive_sum(i < tiles ? row[i] : 0u, scratch, total);
    if (i < tiles) row[i] = sum + before;
    sum += total;
  }
  if (threadIdx.x == 0) totals[blockIdx.x] = sum;
}

/// The lanes of the warp whose digit is the same; every lane must call it.
__device__ unsigned lanes_with_digit(int digit) {
  unsigned same = kFullWarp;
  for (int bit = 0; bit < kDigitBits; ++bit) {
    const bool set = (digit >> bit & 1) != 0;
    const unsigned votes = __ballot_sync(kFullWarp, set);
    same &= set ? votes : ~votes;
  }
  return same;
}

__global__ void move_kernel(int64_t n, const uint64_t* from, int bit, const uint32_t* before,
                            const uint32_t* totals, uint64_t* to) {
  SHARED(uint32_t, next, [kWarps][kDigits]);  // per warp: where in the tile its next key goes
  SHARED(uint32_t, shift, [kDigits]);         // from a key's place in the tile to that in `to`
  SHARED(uint64_t, sorted, [kTile]);
  SHARED(uint32_t, scratch, [kWarp]);
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % kWarp;
  const int warp = thread / kWarp;
  for (int w = 0; w < kWarps; ++w) next[w][thread] = 0;
  __syncthreads();

  const int64_t begin = blockIdx.x * kTile;
  const int64_t own = begin + warp * (kWarp * kKeysPerThread) + lane;
  uint64_t keys[kKeysPerThread];
  uint32_t ranks[kKeysPerThread];  // among the warp's keys with the same digit
  for (int k = 0; k < kKeysPerThread; ++k) {
    const int64_t i = own + k * kWarp;
    // What lies beyond the end comes last in its tile, and is not moved.
    keys[k] = i < n ? from[i] : ~uint64_t{0};
    const int digit = digit_of(keys[k], bit);
    const unsigned same = lanes_with_digit(digit);
    const uint32_t earlier = next[warp][digit];
    ranks[k] = earlier + static_cast<uint32_t>(__popc(same & ((1u << lane) - 1)));
    __syncwarp();
    if (lane == __ffs(static_cast<int>(same)) - 1) {
      next[warp][digit] = earlier + static_cast<uint32_t>(__popc(same));
    }
    __syncwarp();
  }
  __syncthreads();

  // A thread per digit: keys of the tile with smaller digits, and with this one in earlier warps.
  uint32_t count = 0;
  for (int w = 0; w < kWarps; ++w) count += next[w][thread];
  uint32_t all = 0;
  uint32_t place = block_exclusive_sum(count, scratch, all);
  const uint32_t smaller = block_exclusive_sum(totals[thread], scratch, all);
  shift[thread] = smaller + before[int64_t{thread} * gridDim.x + blockIdx.x] - place;
  for (int w = 0; w < kWarps; ++w) {
    const uint32_t of_warp = next[w][thread];
    next[w][thread] = place;
    place += of_warp;
  }
  __syncthreads();
  // Through shared memory, so that keys which end up side by side are written together.
  for (int k = 0; k < kKeysPerThread; ++k) {
    sorted[next[warp][digit_of(keys[k], bit)] + ranks[k]] = keys[k];
  }
  __syncthreads();
  for (int place_in_tile = thread; place_in_tile < kTile; place_in_tile += kThreads) {
    const uint64_t key = sorted[place_in_tile];
    if (begin + place_in_tile < n) {
      to[shift[digit_of(key, bit)] + static_cast<uint32_t>(place_in_tile)] = key;
    }
  }
}

}  // namespace

void sort_keys(uint64_t* keys, uint64_t* spare, int64_t n, int first_bit, Stream stream) {
  if (n <= 1) return;
  if (n <= kSmall) {
    const auto count = static_cast<unsigned>(n);
    launch(sort_small_kernel, {dim3(1), dim3(kSmallThreads), 0, stream}, n, std::bit_ceil(count),
           keys);
    return;
  }
  const int64_t tiles = (n + kTile - 1) / kTile;
  const Scratch<uint32_t> counts(kDigits * tiles, stream);
  const Scratch<uint32_t> totals(kDigits, stream);
  const LaunchConfig per_tile{dim3(static_cast<unsigned>(tiles)), dim3(kThreads), 0, stream};
  const LaunchConfig per_digit{dim3(kDigits), dim3(kThreads), 0, stream};
  // An even number of digits, so that the last one brings the keys back.
  for (int bit = first_bit; bit < 64; bit += kDigitBits) {
    launch(count_kernel, per_tile, n, keys, bit, counts.get());
    launch(sum_counts_kernel, per_digit, tiles, counts.get(), totals.get());
    launch(move_kernel, per_tile, n, keys, bit, counts.get(), totals.get(), spare);
    std::swap(keys, spare);
  }
}

}  // namespace kestrel::gpu
