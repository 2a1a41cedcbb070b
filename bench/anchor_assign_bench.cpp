#include <benchmark/benchmark.h>

#include <kestrel/kernels/anchor_assign.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

/// RetinaNet's anchors for an image of 800 x 1344 and `range(0)` ground truths.
void anchor_assign(benchmark::State& state) {
  std::vector<float> anchors;
  for (int64_t stride = 8; stride <= 128; stride *= 2) {
    for (int64_t y = 0; y * stride < 800; ++y) {
      for (int64_t x = 0; x * stride < 1344; ++x) {
        for (int a = 0; a < 9; ++a) {
          const auto half = static_cast<float>(stride * (2 + a % 3));
          const auto cx = static_cast<float>(x * stride);
          const auto cy = static_cast<float>(y * stride);
          anchors.insert(anchors.end(), {cx - half, cy - half, cx + half, cy + half});
        }
      }
    }
  }
  const auto n = static_cast<int64_t>(anchors.size() / 4);
  Philox random(7);
  std::vector<float> truths;
  for (int64_t i = 0; i < state.range(0); ++i) {
    const auto x = static_cast<float>(random.uniform(0, 1200));
    const auto y = static_cast<float>(random.uniform(0, 700));
    truths.insert(truths.end(), {x, y, x + static_cast<float>(random.uniform(10, 400)),
                                 y + static_cast<float>(random.uniform(10, 400))});
  }
  std::vector<int64_t> assigned(static_cast<size_t>(n));
  std::vector<float> max_iou(static_cast<size_t>(n));
  for (auto _ : state) {
    cpu::anchor_assign({anchors.data(), DType::Float32, {n, 4}}, {},
                       {truths.data(), DType::Float32, {state.range(0), 4}}, {},
                       {assigned.data(), DType::Int64, {n}}, {max_iou.data(), DType::Float32, {n}});
  }
  state.counters["anchors"] = static_cast<double>(n);
}
BENCHMARK(anchor_assign)->Arg(7)->Arg(100)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace kestrel
