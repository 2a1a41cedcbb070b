#include <kestrel/kernels/optimizer.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <kestrel/kernels/common/optimizer_update.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kChunk = 1 << 15;

struct Chunk {
  size_t tensor;
  int64_t begin, end;
};

// Cuts all tensors into pieces of at most kChunk elements, so that a few large ones and many small
// ones keep all threads busy.
template <class SizeOf>
std::vector<Chunk> chunks_of(size_t tensors, SizeOf size_of) {
  std::vector<Chunk> chunks;
  for (size_t t = 0; t < tensors; ++t) {
    const int64_t n = size_of(t);
    for (int64_t begin = 0; begin < n; begin += kChunk) {
      chunks.push_back({t, begin, std::min(n, begin + kChunk)});
    }
  }
  return chunks;
}

template <class F>
void for_each_chunk(const std::vector<Chunk>& chunks, F f) {
  parallel_for(static_cast<int64_t>(chunks.size()), 4, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) f(c, chunks[static_cast<size_t>(c)]);
  });
}

void sgd_plain(float* __restrict p, const float* __restrict g, int64_t n, float lr, float decay) {
  for (int64_t i = 0; i < n; ++i) sgd_update(p[i], g[i], lr, decay);
}

void sgd_momentum(float* __restrict p, const float* __restrict g, float* __restrict m, int64_t n,
                  float lr, float decay, SgdParams params) {
  for (int64_t i = 0; i < n; ++i) sgd_momentum_update(p[i], g[i], m[i], lr, decay, params);
}

void adam(float* __restrict p, const float* __restrict g, float* __restrict m, float* __restrict v,
          int64_t n, AdamScalars scalars) {
  for (int64_t i = 0; i < n; ++i) adam_update(p[i], g[i], m[i], v[i], scalars);
}

}  // namespace

void sgd_step(std::span<const SgdTensor> tensors, const SgdParams& params, ConstView guard) {
  check_sgd_step(tensors, params);
  if (guard && guard_forbids(guard.as<double>())) return;
  const auto chunks = chunks_of(tensors.size(), [&](size_t t) { return tensors[t].param.numel(); });
  for_each_chunk(chunks, [&](int64_t, const Chunk& chunk) {
    const SgdTensor& t = tensors[chunk.tensor];
    float* p = t.param.as<float>() + chunk.begin;
    const float* g = t.grad.as<float>() + chunk.begin;
    const int64_t n = chunk.end - chunk.begin;
    if (params.momentum == 0) {
      sgd_plain(p, g, n, t.lr, t.weight_decay);
    } else {
      sgd_momentum(p, g, t.momentum.as<float>() + chunk.begin, n, t.lr, t.weight_decay, params);
    }
  });
}

void adam_step(std::span<const AdamTensor> tensors, const AdamParams& params, ConstView guard) {
  check_adam_step(tensors);
  if (guard && guard_forbids(guard.as<double>())) return;
  const auto chunks = chunks_of(tensors.size(), [&](size_t t) { return tensors[t].param.numel(); });
  for_each_chunk(chunks, [&](int64_t, const Chunk& chunk) {
    const AdamTensor& t = tensors[chunk.tensor];
    adam(t.param.as<float>() + chunk.begin, t.grad.as<float>() + chunk.begin,
         t.exp_avg.as<float>() + chunk.begin, t.exp_avg_sq.as<float>() + chunk.begin,
         chunk.end - chunk.begin, adam_scalars(t, params));
  });
}

void clip_grad_norm(std::span<const View> grads, double max_norm, View norm) {
  const auto chunks = chunks_of(grads.size(), [&](size_t t) { return grads[t].numel(); });
  std::vector<double> sums(chunks.size());
  for_each_chunk(chunks, [&](int64_t c, const Chunk& chunk) {
    const float* g = grads[chunk.tensor].as<float>();
    // Eight running sums, in a fixed order, so that the loop needs no reassociation to be fast.
    double lanes[8] = {};
    int64_t i = chunk.begin;
    for (; i + 8 <= chunk.end; i += 8) {
      for (int k = 0; k < 8; ++k) {
        const double x = g[i + k];
        lanes[k] += x * x;
      }
    }
    for (; i < chunk.end; ++i) {
      const double x = g[i];
      lanes[0] += x * x;
    }
    double sum = 0;
    for (const double lane : lanes) sum += lane;
    sums[static_cast<size_t>(c)] = sum;
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  const double length = std::sqrt(total);
  *norm.as<double>() = length;
  const float factor = clip_factor(max_norm, length);
  if (!(factor < 1)) return;
  for_each_chunk(chunks, [&](int64_t, const Chunk& chunk) {
    float* g = grads[chunk.tensor].as<float>();
    for (int64_t i = chunk.begin; i < chunk.end; ++i) g[i] *= factor;
  });
}

void ema_step(std::span<const EmaTensor> tensors, float momentum) {
  check_ema_step(tensors);
  const auto chunks =
      chunks_of(tensors.size(), [&](size_t t) { return tensors[t].average.numel(); });
  for_each_chunk(chunks, [&](int64_t, const Chunk& chunk) {
    float* average = tensors[chunk.tensor].average.as<float>();
    const float* value = tensors[chunk.tensor].value.as<float>();
    for (int64_t i = chunk.begin; i < chunk.end; ++i) ema_update(average[i], value[i], momentum);
  });
}

}  // namespace kestrel::cpu
