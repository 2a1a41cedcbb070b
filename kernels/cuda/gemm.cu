#include <kestrel/kernels/cuda/gemm.h>

#include <kestrel/kernels/cuda/launch.h>

namespace kestrel::gpu {
namespace {

/// Blocks that keep a large GPU busy. A constant, so that results do not depend on the device.
constexpr int64_t kFullDevice = 132;
/// Elements of the depth below which a split of its own costs more than it brings.
constexpr int64_t kMinSplitDepth = 256;

template <class T, int kCount>
__global__ void join_splits_kernel(int64_t runs, const Run<Accumulate<T>, kCount>* partial,
                                   int64_t splits, int64_t channels, Epilogue<T> epilogue) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(runs)) {
    A sums[kCount] = {};
    for (int64_t split = 0; split < splits; ++split) {
      const Run<A, kCount> part = partial[split * runs + i];
      for (int e = 0; e < kCount; ++e) sums[e] += part.v[e];
    }
    A bias[kCount];
    epilogue.load_bias(i * kCount % channels, bias);
    for (int e = 0; e < kCount; ++e) sums[e] += bias[e];
    epilogue.store(i * kCount, sums);
  }
}

int64_t tiles(const GemmSize& size, int64_t side) {
  return size.groups * ((size.m + side - 1) / side) * ((size.n + side - 1) / side);
}

}  // namespace

GemmPlan plan_gemm(const GemmSize& size, bool aligned) {
  const int64_t most_splits = std::max(size.k / kMinSplitDepth, int64_t{1});
  const bool large =
      aligned && std::min(size.m, size.n) > 64 && tiles(size, 128) * most_splits >= kFullDevice;
  const int64_t wanted = 2 * kFullDevice / tiles(size, large ? 128 : 64);
  return {
      .large = large, .aligned = aligned, .splits = std::clamp(wanted, int64_t{1}, most_splits)};
}

template <class T>
void join_splits(const Accumulate<T>* partial, int64_t splits, int64_t count, int64_t channels,
                 bool packed, const Epilogue<T>& epilogue, Stream stream) {
  const auto join = [&]<int kCount>(std::integral_constant<int, kCount>) {
    launch_1d(join_splits_kernel<T, kCount>, count / kCount, stream,
              reinterpret_cast<const Run<Accumulate<T>, kCount>*>(partial), splits, channels,
              epilogue);
  };
  if (packed) {
    join(std::integral_constant<int, Pack<T>::kSize>{});
  } else {
    join(std::integral_constant<int, 1>{});
  }
}

template void join_splits<float>(const float*, int64_t, int64_t, int64_t, bool,
                                 const Epilogue<float>&, Stream);
template void join_splits<double>(const double*, int64_t, int64_t, int64_t, bool,
                                  const Epilogue<double>&, Stream);
template void join_splits<bfloat16>(const float*, int64_t, int64_t, int64_t, bool,
                                    const Epilogue<bfloat16>&, Stream);
template void join_splits<float16>(const float*, int64_t, int64_t, int64_t, bool,
                                   const Epilogue<float16>&, Stream);

}  // namespace kestrel::gpu
