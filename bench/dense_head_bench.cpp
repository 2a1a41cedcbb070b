#include <benchmark/benchmark.h>

#include <kestrel/detection/anchors/anchor_generator.h>
#include <kestrel/detection/coders/delta_xywh_bbox_coder.h>
#include <kestrel/detection/postprocess/dense_postprocess.h>
#include <kestrel/kernels/focal_loss.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

/// Focal loss and its gradient over all anchors of an image of 800 x 1344, in 80 classes.
void focal_loss(benchmark::State& state) {
  const int64_t n = 201600;
  Philox random(7);
  Tensor logits = Tensor::empty({n, 80});
  fill_normal(logits, -4.6, 1, random);
  Tensor labels = Tensor::full({n}, 80, DType::Int64);
  for (int64_t i = 0; i < n; i += 1000) labels.data<int64_t>()[i] = i % 80;
  Tensor loss = Tensor::empty({});
  Tensor grad = Tensor::empty({n, 80});
  for (auto _ : state) {
    cpu::focal_loss(logits.view(), labels.view(), {}, {}, {}, loss.view(), grad.view());
  }
}
BENCHMARK(focal_loss)->Unit(benchmark::kMillisecond)->UseRealTime();

/// From logits and deltas of an image of 800 x 1344 to at most 100 objects.
void dense_postprocess(benchmark::State& state) {
  const AnchorGenerator generator({.strides = {8, 16, 32, 64, 128},
                                   .ratios = {0.5, 1.0, 2.0},
                                   .octave_base_scale = 4,
                                   .scales_per_octave = 3});
  const std::vector<GridSize> sizes{{100, 168}, {50, 84}, {25, 42}, {13, 21}, {7, 11}};
  const AnchorGrid grid = generator.grid(sizes, 800, 1344);
  Philox random(7);
  std::vector<LevelPredictions> levels;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t n = sizes[i].cells() * 9;
    levels.push_back({Tensor::empty({n, 80}), Tensor::empty({n, 4}), grid.level(i)});
    fill_normal(levels.back().logits, -7, 1, random);  // about 3 in 100,000 above 0.05
    fill_normal(levels.back().deltas, 0, 0.3, random);
  }
  ImageMeta meta;
  meta.img_height = 800;
  meta.img_width = 1333;
  int64_t found = 0;
  for (auto _ : state) {
    found = kestrel::dense_postprocess(levels, meta, DeltaXYWHBBoxCoder(), {}, true).labels.numel();
  }
  state.counters["objects"] = static_cast<double>(found);
}
BENCHMARK(dense_postprocess)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace kestrel
