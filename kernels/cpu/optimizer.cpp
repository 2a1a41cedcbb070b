#include <kestrel/kernels/optimizer.h>

#include <algorithm>
#include <cmath>
#include <vector>

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

void check_sizes(const char* op, const View& param, const ConstView& other) {
  KESTREL_CHECK(other.numel() == param.numel(), "[", op, "] parameter ", param.shape,
                " does not fit its gradient or state ", other.shape);
}

void sgd_plain(float* __restrict p, const float* __restrict g, int64_t n, float lr, float decay) {
  for (int64_t i = 0; i < n; ++i) p[i] -= lr * (g[i] + decay * p[i]);
}

void sgd_momentum(float* __restrict p, const float* __restrict g, float* __restrict m, int64_t n,
                  float lr, float decay, float momentum, bool nesterov) {
  if (nesterov) {
    for (int64_t i = 0; i < n; ++i) {
      const float d = g[i] + decay * p[i];
      m[i] = momentum * m[i] + d;
      p[i] -= lr * (d + momentum * m[i]);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      m[i] = momentum * m[i] + (g[i] + decay * p[i]);
      p[i] -= lr * m[i];
    }
  }
}

struct AdamScalars {
  float keep1, blend1;    // beta1, 1 - beta1
  float keep2, blend2;    // beta2, 1 - beta2
  float root_correction;  // sqrt(1 - beta2^step)
  float eps;
  float step_size;  // lr / (1 - beta1^step)
  float shrink;     // factor on the parameter: 1 - lr * decay, or 1
  float decay;      // added to the gradient: decay * param, or 0
};

void adam(float* __restrict p, const float* __restrict g, float* __restrict m, float* __restrict v,
          int64_t n, const AdamScalars& s) {
  for (int64_t i = 0; i < n; ++i) {
    const float d = g[i] + s.decay * p[i];
    m[i] = s.keep1 * m[i] + s.blend1 * d;
    v[i] = s.keep2 * v[i] + s.blend2 * d * d;
    p[i] = s.shrink * p[i] - s.step_size * m[i] / (std::sqrt(v[i]) / s.root_correction + s.eps);
  }
}

}  // namespace

void sgd_step(std::span<const SgdTensor> tensors, const SgdParams& params) {
  for (const SgdTensor& t : tensors) {
    check_sizes("sgd_step", t.param, t.grad);
    if (params.momentum != 0) check_sizes("sgd_step", t.param, t.momentum);
  }
  const auto chunks = chunks_of(tensors.size(), [&](size_t t) { return tensors[t].param.numel(); });
  for_each_chunk(chunks, [&](int64_t, const Chunk& chunk) {
    const SgdTensor& t = tensors[chunk.tensor];
    float* p = t.param.as<float>() + chunk.begin;
    const float* g = t.grad.as<float>() + chunk.begin;
    const int64_t n = chunk.end - chunk.begin;
    if (params.momentum == 0) {
      sgd_plain(p, g, n, t.lr, t.weight_decay);
    } else {
      sgd_momentum(p, g, t.momentum.as<float>() + chunk.begin, n, t.lr, t.weight_decay,
                   params.momentum, params.nesterov);
    }
  });
}

void adam_step(std::span<const AdamTensor> tensors, const AdamParams& params) {
  for (const AdamTensor& t : tensors) {
    check_sizes("adam_step", t.param, t.grad);
    check_sizes("adam_step", t.param, t.exp_avg);
    check_sizes("adam_step", t.param, t.exp_avg_sq);
  }
  const auto step = static_cast<double>(params.step);
  const double correction1 = 1 - std::pow(params.beta1, step);
  const double correction2 = 1 - std::pow(params.beta2, step);
  const auto chunks = chunks_of(tensors.size(), [&](size_t t) { return tensors[t].param.numel(); });
  for_each_chunk(chunks, [&](int64_t, const Chunk& chunk) {
    const AdamTensor& t = tensors[chunk.tensor];
    const bool decoupled = params.decoupled_weight_decay;
    const AdamScalars scalars{
        .keep1 = static_cast<float>(params.beta1),
        .blend1 = static_cast<float>(1 - params.beta1),
        .keep2 = static_cast<float>(params.beta2),
        .blend2 = static_cast<float>(1 - params.beta2),
        .root_correction = static_cast<float>(std::sqrt(correction2)),
        .eps = static_cast<float>(params.eps),
        .step_size = static_cast<float>(t.lr / correction1),
        .shrink = decoupled ? 1 - t.lr * t.weight_decay : 1,
        .decay = decoupled ? 0 : t.weight_decay,
    };
    adam(t.param.as<float>() + chunk.begin, t.grad.as<float>() + chunk.begin,
         t.exp_avg.as<float>() + chunk.begin, t.exp_avg_sq.as<float>() + chunk.begin,
         chunk.end - chunk.begin, scalars);
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
  const auto factor = static_cast<float>(max_norm / (length + 1e-6));
  if (!(factor < 1)) return;
  for_each_chunk(chunks, [&](int64_t, const Chunk& chunk) {
    float* g = grads[chunk.tensor].as<float>();
    for (int64_t i = chunk.begin; i < chunk.end; ++i) g[i] *= factor;
  });
}

}  // namespace kestrel::cpu
