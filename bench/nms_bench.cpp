#include <benchmark/benchmark.h>

#include <kestrel/kernels/nms.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

/// Random boxes with sides of 1 to 100 pixels in an image of 1000 x 1000; bench/nms_peer.py times
/// torchvision on the same kind of boxes.
void nms(benchmark::State& state) {
  const int64_t n = state.range(0);
  Philox random(7);
  Tensor boxes = Tensor::empty({n, 4});
  Tensor scores = Tensor::empty({n});
  for (int64_t i = 0; i < n; ++i) {
    float* b = boxes.data<float>() + i * 4;
    b[0] = static_cast<float>(random.uniform(0, 1000));
    b[1] = static_cast<float>(random.uniform(0, 1000));
    b[2] = b[0] + static_cast<float>(random.uniform(1, 100));
    b[3] = b[1] + static_cast<float>(random.uniform(1, 100));
    scores.data<float>()[i] = static_cast<float>(random.uniform());
  }
  Tensor kept = Tensor::empty({n}, DType::Int64);
  int64_t count = 0;
  for (auto _ : state) {
    count = cpu::nms(boxes.cview(), scores.cview(), {}, {.iou_threshold = 0.5}, kept.view());
  }
  state.counters["kept"] = static_cast<double>(count);
}
BENCHMARK(nms)->Arg(1000)->Arg(5000)->Arg(20000)->Arg(100000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kestrel
