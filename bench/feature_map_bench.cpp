#include <benchmark/benchmark.h>

#include <kestrel/autograd/functions/batch_norm.h>
#include <kestrel/autograd/functions/group_norm.h>
#include <kestrel/autograd/functions/pooling.h>
#include <kestrel/autograd/functions/upsample.h>
#include <kestrel/kernels/parallel.h>
#include <kestrel/tensor/random.h>

/// Normalisation, pooling and resizing on the maps of a ResNet and FPN at 800 x 1088, forward and
/// backward, on one thread; the argument 0 is float32, 1 bfloat16.
namespace kestrel {
namespace {

Tensor normal(const Shape& shape, DType dtype) {
  Tensor tensor = Tensor::empty(shape);
  Philox random(1);
  fill_normal(tensor, 0, 1, random);
  return tensor.to(dtype);
}

/// Times f(x), and with `backward` the gradient of x too.
template <class F>
void measure(benchmark::State& state, const Shape& shape, bool backward, F f) {
  set_num_threads(1);
  const DType dtype = state.range(0) == 0 ? DType::Float32 : DType::BFloat16;
  const Tensor data = normal(shape, dtype);
  Tensor seed;
  for (auto _ : state) {
    const Variable x(data, backward);
    const Variable y = f(x);
    if (!backward) continue;
    if (!seed) seed = normal(y.shape(), dtype);
    y.backward(seed);
  }
  state.SetLabel(std::string(name_of(dtype)));
}

const Shape kStage1{1, 200, 272, 64}, kStage3{1, 50, 68, 1024}, kStem{1, 400, 544, 64};
const Shape kHead{1, 100, 136, 256}, kTop{1, 50, 68, 256};

void batch_norm(benchmark::State& state, const Shape& shape, bool training, bool backward) {
  Tensor mean = Tensor::zeros({shape[3]}), variance = Tensor::full({shape[3]}, 1);
  const Variable weight(Tensor::full({shape[3]}, 1), backward);
  const Variable bias(Tensor::zeros({shape[3]}), backward);
  measure(state, shape, backward, [&](const Variable& x) {
    return autograd::batch_norm(x, weight, bias, mean, variance,
                                {.training = training, .relu = true});
  });
}

void group_norm(benchmark::State& state, bool backward) {
  const Variable weight(Tensor::full({256}, 1), backward), bias(Tensor::zeros({256}), backward);
  measure(state, kHead, backward,
          [&](const Variable& x) { return autograd::group_norm(x, weight, bias, 32, 1e-5, true); });
}

void max_pool(benchmark::State& state, bool backward) {
  measure(state, kStem, backward, [](const Variable& x) {
    return autograd::max_pool2d(x, {.kernel = 3, .stride = 2, .pad = 1});
  });
}

void nearest_add(benchmark::State& state, bool backward) {
  const Variable lateral(normal(kHead, state.range(0) == 0 ? DType::Float32 : DType::BFloat16));
  measure(state, kTop, backward,
          [&](const Variable& top) { return autograd::upsample_nearest_add(top, lateral); });
}

void bilinear(benchmark::State& state, bool backward) {
  measure(state, kTop, backward,
          [](const Variable& x) { return autograd::upsample_bilinear(x, 100, 136); });
}

BENCHMARK_CAPTURE(batch_norm, stage1_forward, kStage1, true, false)->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(batch_norm, stage1_training, kStage1, true, true)->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(batch_norm, stage3_training, kStage3, true, true)->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(batch_norm, stage1_fixed_training, kStage1, false, true)->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(group_norm, head_forward, false)->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(group_norm, head_training, true)->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(max_pool, stem_forward, false)->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(max_pool, stem_training, true)->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(nearest_add, fpn_forward, false)->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(nearest_add, fpn_training, true)->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(bilinear, double_forward, false)->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(bilinear, double_training, true)->Arg(0)->Arg(1);

}  // namespace
}  // namespace kestrel
