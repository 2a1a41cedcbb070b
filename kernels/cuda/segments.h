#pragma once

#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/reduce.h>
#include <kestrel/kernels/cuda/scratch.h>

/// Work dealt to warps in segments of fixed length, so that sums depend neither on the schedule nor
/// on the block size.
namespace kestrel::gpu {

/// The items [begin, end) of one warp; empty beyond the last segment.
struct Segment {
  int64_t index, begin, end;
  int lane;
};

__device__ inline Segment warp_segment(int64_t n, int64_t length) {
  const int64_t thread = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const int64_t index = thread / kWarp;
  const int64_t begin = index * length < n ? index * length : n;
  const int64_t end = n - begin < length ? n : begin + length;
  return {index, begin, end, static_cast<int>(thread % kWarp)};
}

inline int64_t segment_count(int64_t n, int64_t length) {
  return (n + length - 1) / length;
}

/// Starts a kernel whose first parameter is the number of items, int64_t n, with a warp for each
/// segment. Does nothing where n is 0.
template <class... Parameters, class... Args>
void launch_segments(void (*kernel)(int64_t, Parameters...), int64_t n, int64_t length,
                     Stream stream, Args&&... args) {
  if (n <= 0) return;
  const int64_t warps = block_size() / kWarp;
  const int64_t blocks = (segment_count(n, length) + warps - 1) / warps;
  launch(
      kernel,
      {dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(warps * kWarp)), 0, stream},
      n, std::forward<Args>(args)...);
}

/// Sum per segment, and then of all of them.
class SegmentSums {
 public:
  SegmentSums(int64_t n, int64_t length, Stream stream)
      : count_(segment_count(n, length)), stream_(stream), sums_(count_, stream) {}

  /// One double per segment, for a kernel to write.
  double* get() const { return sums_.get(); }

  /// Writes their sum to *out.
  template <class T>
  void join(T* out) const;

 private:
  int64_t count_;
  Stream stream_;
  Scratch<double> sums_;
};

/// Sums a segment's lanes; every lane must call it.
__device__ inline void write_segment_sum(const Segment& segment, double value, double* sums) {
  value = warp_reduce<Sum>(value);
  if (segment.lane == 0 && segment.begin < segment.end) sums[segment.index] = value;
}

/// One block of any number of threads; the sum is the same for all that are at least n.
inline constexpr int64_t kJoinThreads = 1024;

template <class T>
__global__ void join_sums_kernel(int64_t n, const double* sums, T* out) {
  SHARED(double, scratch, [kWarp]);
  double total = 0;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) total += sums[i];
  total = block_reduce<Sum>(total, 0.0, scratch);
  if (threadIdx.x == 0) *out = static_cast<T>(total);
}

template <class T>
void SegmentSums::join(T* out) const {
  const int64_t warps = (std::min(count_, kJoinThreads) + kWarp - 1) / kWarp;
  const auto threads = static_cast<unsigned>(std::max<int64_t>(1, warps) * kWarp);
  launch(join_sums_kernel<T>, {dim3(1), dim3(threads), 0, stream_}, count_, sums_.get(), out);
}

/// Items by which a row of a matrix, read by a whole warp, begins behind a sector of memory: where
/// the lanes begin as much before it, no request straddles one sector more than it must.
template <class V>
__device__ int sector_skew(int64_t items_before_row, int lanes) {
  constexpr int kSector = 32;
  constexpr int kItems = kSector / static_cast<int>(sizeof(V));
  return lanes == kWarp ? static_cast<int>(items_before_row % kItems) : 0;
}

/// Lanes that share a row of `width` items: enough for the row, at most a warp; a power of two.
inline int lanes_per_row(int64_t width) {
  int lanes = 1;
  while (lanes < kWarp && lanes < width) lanes *= 2;
  return lanes;
}

}  // namespace kestrel::gpu
