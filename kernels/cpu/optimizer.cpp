#include <kestrel/kernels/optimizer.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <kestrel/kernels/common/optimizer_checks.h>
#include <kestrel/kernels/common/optimizer_update.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kChunk = 1 << 15;

struct Chunk {
  size_t tensor;
  int64_t begin, end;

  int64_t size() const { return end - begin; }
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

std::vector<Chunk> chunks_of(std::span<const ParamTensor> tensors) {
  return chunks_of(tensors.size(), [&](size_t t) { return tensors[t].param.numel(); });
}

std::vector<Chunk> chunks_of(std::span<const View> grads) {
  return chunks_of(grads.size(), [&](size_t t) { return grads[t].numel(); });
}

template <class F>
void for_each_chunk(const std::vector<Chunk>& chunks, F f) {
  parallel_for(static_cast<int64_t>(chunks.size()), 4, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) f(c, chunks[static_cast<size_t>(c)]);
  });
}

/// Calls f(T{}) with the type of the elements of all tensors.
template <class F>
void visit_elements(DType dtype, const char* op, F f) {
  if (dtype == DType::Float64) {
    f(double{});
  } else if (dtype == DType::Float32) {
    f(float{});
  } else {
    fail("[", op, "] parameters have to be float32 or float64, got ", dtype);
  }
}

/// The elements of a chunk. Without aliasing, so that loops become vectors.
template <class Update, class T>
void update_elements(Update update, T* __restrict p, const T* __restrict g, int64_t n) {
  for (int64_t i = 0; i < n; ++i) update(p[i], g[i], static_cast<T*>(nullptr));
}
template <class Update, class T>
void update_elements(Update update, T* __restrict p, const T* __restrict g, T* __restrict a,
                     int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    T states[] = {a[i]};
    update(p[i], g[i], states);
    a[i] = states[0];
  }
}
template <class Update, class T>
void update_elements(Update update, T* __restrict p, const T* __restrict g, T* __restrict a,
                     T* __restrict b, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    T states[] = {a[i], b[i]};
    update(p[i], g[i], states);
    a[i] = states[0];
    b[i] = states[1];
  }
}
template <class Update, class T>
void update_elements(Update update, T* __restrict p, const T* __restrict g, T* __restrict a,
                     T* __restrict b, T* __restrict c, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    T states[] = {a[i], b[i], c[i]};
    update(p[i], g[i], states);
    a[i] = states[0];
    b[i] = states[1];
    c[i] = states[2];
  }
}

template <class Update, class T>
void update_chunk(const Update& update, const ParamTensor& t, const Chunk& chunk) {
  T* p = t.param.as<T>() + chunk.begin;
  const T* g = t.grad.as<T>() + chunk.begin;
  const auto state = [&](size_t i) { return t.states[i].template as<T>() + chunk.begin; };
  const int64_t n = chunk.size();
  if constexpr (Update::kStates == 0) {
    update_elements(update, p, g, n);
  } else if constexpr (Update::kStates == 1) {
    update_elements(update, p, g, state(0), n);
  } else if constexpr (Update::kStates == 2) {
    update_elements(update, p, g, state(0), state(1), n);
  } else {
    update_elements(update, p, g, state(0), state(1), state(2), n);
  }
}

/// Squared norms of a parameter and of LAMB's update of it.
struct LambSums {
  double param = 0, direction = 0;
};

template <class T>
void lamb_all(std::span<const ParamTensor> tensors, const LambRule& rule, const double* grad_norm) {
  const auto chunks = chunks_of(tensors);
  std::vector<LambSums> sums(chunks.size());
  for_each_chunk(chunks, [&](int64_t c, const Chunk& chunk) {
    const ParamTensor& t = tensors[chunk.tensor];
    const auto update = LambUpdate<T>::of(t, rule);
    const T divisor = grad_norm ? update.divisor(*grad_norm) : T{1};
    const T *p = t.param.as<T>(), *g = t.grad.as<T>();
    T *m = t.states[0].template as<T>(), *v = t.states[1].template as<T>();
    LambSums sum;
    for (int64_t i = chunk.begin; i < chunk.end; ++i) {
      T states[] = {m[i], v[i]};
      update.advance(g[i] / divisor, states);
      m[i] = states[0];
      v[i] = states[1];
      const double direction = update.direction(p[i], states);
      sum.param += static_cast<double>(p[i]) * static_cast<double>(p[i]);
      sum.direction += direction * direction;
    }
    sums[static_cast<size_t>(c)] = sum;
  });
  std::vector<LambSums> whole(tensors.size());
  for (size_t c = 0; c < chunks.size(); ++c) {
    whole[chunks[c].tensor].param += sums[c].param;
    whole[chunks[c].tensor].direction += sums[c].direction;
  }
  for_each_chunk(chunks, [&](int64_t, const Chunk& chunk) {
    const ParamTensor& t = tensors[chunk.tensor];
    const auto update = LambUpdate<T>::of(t, rule);
    const T size = update.step_size(whole[chunk.tensor].param, whole[chunk.tensor].direction);
    T* p = t.param.as<T>();
    const T *m = t.states[0].template as<T>(), *v = t.states[1].template as<T>();
    for (int64_t i = chunk.begin; i < chunk.end; ++i) {
      const T states[] = {m[i], v[i]};
      p[i] -= size * update.direction(p[i], states);
    }
  });
}

template <class T, class Norm>
double norm_of(std::span<const View> grads, const std::vector<Chunk>& chunks, const Norm& norm) {
  std::vector<double> parts(chunks.size());
  for_each_chunk(chunks, [&](int64_t c, const Chunk& chunk) {
    const T* g = grads[chunk.tensor].as<T>();
    // Eight running sums, in a fixed order, so that the loop needs no reassociation to be fast.
    double lanes[8] = {};
    int64_t i = chunk.begin;
    for (; i + 8 <= chunk.end; i += 8) {
      for (int k = 0; k < 8; ++k) lanes[k] = norm.join(lanes[k], norm.term(g[i + k]));
    }
    for (; i < chunk.end; ++i) lanes[0] = norm.join(lanes[0], norm.term(g[i]));
    double part = 0;
    for (const double lane : lanes) part = norm.join(part, lane);
    parts[static_cast<size_t>(c)] = part;
  });
  double whole = 0;
  for (const double part : parts) whole = norm.join(whole, part);
  return norm.root(whole);
}

template <class T>
void clip_norm(std::span<const View> grads, double max_norm, double norm_type, double* result) {
  const auto chunks = chunks_of(grads);
  with_norm(norm_type, [&](const auto& norm) { *result = norm_of<T>(grads, chunks, norm); });
  const T factor = static_cast<T>(clip_factor(max_norm, *result));
  if (!(factor < 1)) return;
  for_each_chunk(chunks, [&](int64_t, const Chunk& chunk) {
    T* g = grads[chunk.tensor].as<T>();
    for (int64_t i = chunk.begin; i < chunk.end; ++i) g[i] *= factor;
  });
}

}  // namespace

void optimizer_step(std::span<const ParamTensor> tensors, const UpdateRule& rule, ConstView guard) {
  std::visit(
      [&](const auto& own) {
        const bool momentum = check_optimizer_step(tensors, own);
        if (tensors.empty() || (guard && guard_forbids(guard.as<double>()))) return;
        const auto chunks = chunks_of(tensors);
        visit_elements(tensors.front().param.dtype, "optimizer_step", [&](auto zero) {
          using T = decltype(zero);
          with_update<T>(own, momentum, [&](auto type) {
            using Update = typename decltype(type)::Type;
            for_each_chunk(chunks, [&](int64_t, const Chunk& chunk) {
              const ParamTensor& t = tensors[chunk.tensor];
              update_chunk<Update, T>(Update::of(t, own), t, chunk);
            });
          });
        });
      },
      rule);
}

void lamb_step(std::span<const ParamTensor> tensors, const LambRule& rule, ConstView grad_norm,
               ConstView guard) {
  check_lamb_step(tensors);
  if (tensors.empty() || (guard && guard_forbids(guard.as<double>()))) return;
  visit_elements(tensors.front().param.dtype, "lamb_step", [&](auto zero) {
    lamb_all<decltype(zero)>(tensors, rule, grad_norm ? grad_norm.as<double>() : nullptr);
  });
}

void clip_grad_norm(std::span<const View> grads, double max_norm, double norm_type, View norm) {
  check_norm_type(norm_type);
  const DType dtype = grads.empty() ? DType::Float32 : grads.front().dtype;
  visit_elements(dtype, "clip_grad_norm", [&](auto zero) {
    clip_norm<decltype(zero)>(grads, max_norm, norm_type, norm.as<double>());
  });
}

void clip_grad_value(std::span<const View> grads, double limit) {
  if (grads.empty()) return;
  visit_elements(grads.front().dtype, "clip_grad_value", [&](auto zero) {
    using T = decltype(zero);
    for_each_chunk(chunks_of(grads), [&](int64_t, const Chunk& chunk) {
      T* g = grads[chunk.tensor].as<T>();
      const T own = static_cast<T>(limit);
      for (int64_t i = chunk.begin; i < chunk.end; ++i) g[i] = clipped(g[i], own);
    });
  });
}

void ema_step(std::span<const EmaTensor> tensors, double momentum) {
  check_ema_step(tensors);
  const auto update = EmaUpdate::of(momentum);
  const auto chunks =
      chunks_of(tensors.size(), [&](size_t t) { return tensors[t].average.numel(); });
  for_each_chunk(chunks, [&](int64_t, const Chunk& chunk) {
    float* average = tensors[chunk.tensor].average.as<float>();
    const float* value = tensors[chunk.tensor].value.as<float>();
    for (int64_t i = chunk.begin; i < chunk.end; ++i) update(average[i], value[i]);
  });
}

}  // namespace kestrel::cpu
