// no-fmad: updates are rounded as on the CPU.
#include <kestrel/kernels/optimizer.h>

#include <cmath>
#include <limits>
#include <type_traits>

#include <kestrel/kernels/common/optimizer_checks.h>
#include <kestrel/kernels/common/optimizer_update.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/reduce.h>
#include <kestrel/kernels/cuda/scratch.h>

namespace kestrel::gpu {
namespace {

/// Elements of a tensor that one block takes, and that a thread moves at once.
constexpr int64_t kChunk = 1 << 14;
constexpr int kPack = Pack<float>::kSize;
/// Threads of the kernels that sum: fixed, so that the order of additions is.
constexpr int kSumThreads = 256;

__host__ __device__ int64_t chunks_of(int64_t n) {
  return (n + kChunk - 1) / kChunk;
}

/// As many tensors as fit into the 4 KiB that every GPU takes as arguments: no table has to be
/// uploaded, and one launch updates them all.
template <class Tensor>
struct Batch {
  static constexpr int kTensors = static_cast<int>(4000 / (sizeof(Tensor) + sizeof(int64_t))) - 1;

  int64_t first_chunk[kTensors + 1];  ///< Of each tensor; behind the last, of the next batch.
  Tensor tensors[kTensors];
  int count;

  void add(const Tensor& tensor) {
    tensors[count] = tensor;
    first_chunk[count + 1] = first_chunk[count] + chunks_of(tensor.n);
    ++count;
  }
  int64_t chunks() const { return first_chunk[count]; }

  __device__ int tensor_of(int64_t chunk) const {
    int low = 0, high = count - 1;
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (first_chunk[middle] <= chunk) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }
};

/// Calls f(batch) until all tensors, make(i) for i below count, had their turn.
template <class Make, class F>
void for_batches(size_t count, Make make, F f) {
  Batch<decltype(make(size_t{}))> batch{};
  for (size_t i = 0; i < count; ++i) {
    const auto tensor = make(i);
    if (tensor.n > 0) batch.add(tensor);
    if (batch.count == batch.kTensors || (i + 1 == count && batch.count > 0)) {
      f(batch);
      batch.count = 0;
    }
  }
}

template <class Tensor>
LaunchConfig per_chunk(const Batch<Tensor>& batch, int threads, Stream stream) {
  return {dim3(static_cast<unsigned>(batch.chunks())), dim3(static_cast<unsigned>(threads)), 0,
          stream};
}

struct Nothing {};

__device__ bool on_pack(const void* p) {
  return reinterpret_cast<uintptr_t>(p) % sizeof(Pack<float>) == 0;
}

/// A parameter with its gradient, what its optimizer keeps of it, and its update in this step.
template <class Update>
struct Param {
  static constexpr int kStates = Update::kStates;

  float* param;
  const float* grad;
  float* states[kStates > 0 ? kStates : 1];
  int64_t n;
  Update own;

  __device__ bool packed() const {
    bool all = on_pack(param) && on_pack(grad);
    for (int j = 0; j < kStates; ++j) all = all && on_pack(states[j]);
    return all;
  }
  template <int N>
  __device__ void update(int64_t i, Nothing) const {
    Vector<float, N> p = vectors<N>(param)[i];
    const Vector<float, N> g = vectors<N>(grad)[i];
    Vector<float, N> s[kStates > 0 ? kStates : 1];
    for (int j = 0; j < kStates; ++j) s[j] = vectors<N>(states[j])[i];
    for (int k = 0; k < N; ++k) {
      float of_one[kStates > 0 ? kStates : 1];
      for (int j = 0; j < kStates; ++j) of_one[j] = s[j][k];
      own(p[k], g[k], of_one);
      for (int j = 0; j < kStates; ++j) s[j][k] = of_one[j];
    }
    for (int j = 0; j < kStates; ++j) vectors<N>(states[j])[i] = s[j];
    vectors<N>(param)[i] = p;
  }
};

template <class Update, class Rule>
Param<Update> param_of(const ParamTensor& t, const Rule& rule) {
  Param<Update> param{
      t.param.as<float>(), t.grad.as<float>(), {}, t.param.numel(), Update::of(t, rule)};
  for (int j = 0; j < Update::kStates; ++j) {
    param.states[j] = t.states[static_cast<size_t>(j)].template as<float>();
  }
  return param;
}

struct Ema {
  float* average;
  const float* value;
  int64_t n;

  __device__ bool packed() const { return on_pack(average) && on_pack(value); }
  template <int N>
  __device__ void update(int64_t i, const EmaUpdate& own) const {
    Vector<float, N> a = vectors<N>(average)[i];
    const Vector<float, N> v = vectors<N>(value)[i];
    for (int k = 0; k < N; ++k) own(a[k], v[k]);
    vectors<N>(average)[i] = a;
  }
};

/// What is done to every gradient.
struct Scale {
  float factor;
  __device__ float operator()(float g) const { return g * factor; }
};
struct Limit {
  float limit;
  __device__ float operator()(float g) const { return clipped(g, limit); }
};

struct Gradient {
  float* grad;
  int64_t n;

  __device__ bool packed() const { return on_pack(grad); }
  template <int N, class Change>
  __device__ void update(int64_t i, const Change& change) const {
    Vector<float, N> g = vectors<N>(grad)[i];
    for (int k = 0; k < N; ++k) g[k] = change(g[k]);
    vectors<N>(grad)[i] = g;
  }
};

/// The elements [begin, end) of a tensor.
template <class Tensor>
struct Chunk {
  Tensor tensor;
  int64_t begin, end;
  int index;  ///< Of the tensor in its batch.
};

/// The chunk of this block.
template <class Tensor>
__device__ Chunk<Tensor> chunk_of(const Batch<Tensor>& batch) {
  const int64_t chunk = blockIdx.x;
  const int t = batch.tensor_of(chunk);
  const int64_t n = batch.tensors[t].n;
  const int64_t begin = (chunk - batch.first_chunk[t]) * kChunk;
  return {batch.tensors[t], begin, n - begin < kChunk ? n : begin + kChunk, t};
}

template <class Tensor, class Params>
__device__ void update_chunk(const Chunk<Tensor>& chunk, const Params& params) {
  const auto& [tensor, begin, end, index] = chunk;
  const int64_t packs_end = tensor.packed() ? end / kPack : begin / kPack;
  for (int64_t i = begin / kPack + threadIdx.x; i < packs_end; i += blockDim.x) {
    tensor.template update<kPack>(i, params);
  }
  for (int64_t i = packs_end * kPack + threadIdx.x; i < end; i += blockDim.x) {
    tensor.template update<1>(i, params);
  }
}

/// One block per chunk.
template <class Tensor, class Params>
__global__ void update_kernel(Batch<Tensor> batch, Params params, const double* guard) {
  if (!guard_forbids(guard)) update_chunk(chunk_of(batch), params);
}

/// One block per chunk.
__global__ void scale_kernel(Batch<Gradient> batch, const float* factor) {
  const float own = *factor;
  if (own < 1) update_chunk(chunk_of(batch), Scale{own});
}

template <class Norm>
struct Join {
  Norm norm;
  __device__ double operator()(double a, double b) const { return norm.join(a, b); }
};

/// One block per chunk. A thread takes the same elements wherever the tensor lies.
template <class Norm>
__global__ void norm_terms_kernel(Batch<Gradient> batch, Norm norm, double* parts) {
  SHARED(double, scratch, [kWarp]);
  const Chunk<Gradient> chunk = chunk_of(batch);
  const float* grad = chunk.tensor.grad;
  const bool packed = chunk.tensor.packed();
  double part = 0;
  for (int64_t i = chunk.begin + threadIdx.x * kPack; i < chunk.end; i += kSumThreads * kPack) {
    Pack<float> values;
    if (packed && i + kPack <= chunk.end) {
      values = vectors<kPack>(grad)[i / kPack];
    } else {
      for (int k = 0; k < kPack; ++k) values[k] = i + k < chunk.end ? grad[i + k] : 0;
    }
    for (const float value : values.v) part = norm.join(part, norm.term(value));
  }
  part = block_reduce<Join<Norm>>(part, 0.0, scratch, {norm});
  if (threadIdx.x == 0) parts[blockIdx.x] = part;
}

/// One block of kSumThreads.
template <class Norm>
__global__ void norm_kernel(int64_t n, const double* parts, Norm norm, double max_norm,
                            double* result, float* factor) {
  SHARED(double, scratch, [kWarp]);
  double whole = 0;
  for (int64_t i = threadIdx.x; i < n; i += kSumThreads) whole = norm.join(whole, parts[i]);
  whole = block_reduce<Join<Norm>>(whole, 0.0, scratch, {norm});
  if (threadIdx.x == 0) {
    *result = norm.root(whole);
    *factor = static_cast<float>(clip_factor(max_norm, norm.root(whole)));
  }
}

using Lamb = Param<LambUpdate<float>>;

/// One block of kSumThreads per chunk: the states, and the squared norms of parameter and direction
/// of the chunk. A thread takes the same elements wherever the tensor lies.
__global__ void lamb_advance_kernel(Batch<Lamb> batch, const double* grad_norm, double* sums,
                                    const double* guard) {
  SHARED(double, scratch, [kWarp]);
  if (guard_forbids(guard)) return;
  const Chunk<Lamb> chunk = chunk_of(batch);
  const Lamb& t = chunk.tensor;
  const float divisor = grad_norm ? t.own.divisor(*grad_norm) : 1;
  double param_sum = 0, direction_sum = 0;
  for (int64_t i = chunk.begin + threadIdx.x; i < chunk.end; i += kSumThreads) {
    float states[] = {t.states[0][i], t.states[1][i]};
    t.own.advance(t.grad[i] / divisor, states);
    t.states[0][i] = states[0];
    t.states[1][i] = states[1];
    const double p = t.param[i], direction = t.own.direction(t.param[i], states);
    param_sum += p * p;
    direction_sum += direction * direction;
  }
  param_sum = block_reduce<Sum>(param_sum, 0.0, scratch);
  direction_sum = block_reduce<Sum>(direction_sum, 0.0, scratch);
  if (threadIdx.x == 0) {
    sums[2 * blockIdx.x] = param_sum;
    sums[2 * blockIdx.x + 1] = direction_sum;
  }
}

/// One block of kSumThreads per tensor of the batch: what its direction is multiplied by.
__global__ void lamb_size_kernel(Batch<Lamb> batch, const double* sums, float* sizes,
                                 const double* guard) {
  SHARED(double, scratch, [kWarp]);
  if (guard_forbids(guard)) return;
  const int t = static_cast<int>(blockIdx.x);
  double param_sum = 0, direction_sum = 0;
  for (int64_t c = batch.first_chunk[t] + threadIdx.x; c < batch.first_chunk[t + 1];
       c += kSumThreads) {
    param_sum += sums[2 * c];
    direction_sum += sums[2 * c + 1];
  }
  param_sum = block_reduce<Sum>(param_sum, 0.0, scratch);
  direction_sum = block_reduce<Sum>(direction_sum, 0.0, scratch);
  if (threadIdx.x == 0) sizes[t] = batch.tensors[t].own.step_size(param_sum, direction_sum);
}

/// One block per chunk.
__global__ void lamb_apply_kernel(Batch<Lamb> batch, const float* sizes, const double* guard) {
  if (guard_forbids(guard)) return;
  const Chunk<Lamb> chunk = chunk_of(batch);
  const Lamb& t = chunk.tensor;
  const float size = sizes[chunk.index];
  for (int64_t i = chunk.begin + threadIdx.x; i < chunk.end; i += blockDim.x) {
    const float states[] = {t.states[0][i], t.states[1][i]};
    t.param[i] -= size * t.own.direction(t.param[i], states);
  }
}

template <class Tensor, class Make, class Params>
void update(size_t count, Make make, const Params& params, ConstView guard, Stream stream) {
  const double* number = guard ? guard.as<double>() : nullptr;
  for_batches(count, make, [&](const Batch<Tensor>& batch) {
    launch(update_kernel<Tensor, Params>, per_chunk(batch, block_size(), stream), batch, params,
           number);
  });
}

auto gradients(std::span<const View> grads) {
  return [grads](size_t i) { return Gradient{grads[i].as<float>(), grads[i].numel()}; };
}

}  // namespace

void optimizer_step(std::span<const ParamTensor> tensors, const UpdateRule& rule, ConstView guard,
                    Stream stream) {
  std::visit(
      [&](const auto& own) {
        const bool momentum = check_optimizer_step(tensors, own);
        with_update<float>(own, momentum, [&](auto type) {
          using Update = typename decltype(type)::Type;
          const auto make = [&](size_t i) { return param_of<Update>(tensors[i], own); };
          update<Param<Update>>(tensors.size(), make, Nothing{}, guard, stream);
        });
      },
      rule);
}

void lamb_step(std::span<const ParamTensor> tensors, const LambRule& rule, ConstView grad_norm,
               ConstView guard, Stream stream) {
  check_lamb_step(tensors);
  const double* norm = grad_norm ? grad_norm.as<double>() : nullptr;
  const double* number = guard ? guard.as<double>() : nullptr;
  const auto make = [&](size_t i) { return param_of<LambUpdate<float>>(tensors[i], rule); };
  for_batches(tensors.size(), make, [&](const Batch<Lamb>& batch) {
    const Scratch<double> sums(2 * batch.chunks(), stream);
    const Scratch<float> sizes(batch.count, stream);
    launch(lamb_advance_kernel, per_chunk(batch, kSumThreads, stream), batch, norm, sums.get(),
           number);
    launch(lamb_size_kernel,
           {dim3(static_cast<unsigned>(batch.count)), dim3(kSumThreads), 0, stream}, batch,
           sums.get(), sizes.get(), number);
    launch(lamb_apply_kernel, per_chunk(batch, block_size(), stream), batch, sizes.get(), number);
  });
}

void clip_grad_norm(std::span<const View> grads, double max_norm, double norm_type, View norm,
                    Stream stream) {
  check_norm_type(norm_type);
  int64_t chunks = 0;
  for (const View& grad : grads) chunks += chunks_of(grad.numel());
  const Scratch<double> parts(chunks, stream);
  const Scratch<float> factor(1, stream);

  with_norm(norm_type, [&](const auto& own) {
    using Norm = std::decay_t<decltype(own)>;
    double* next = parts.get();
    for_batches(grads.size(), gradients(grads), [&](const Batch<Gradient>& batch) {
      launch(norm_terms_kernel<Norm>, per_chunk(batch, kSumThreads, stream), batch, own, next);
      next += batch.chunks();
    });
    launch(norm_kernel<Norm>, {dim3(1), dim3(kSumThreads), 0, stream}, chunks, parts.get(), own,
           max_norm, norm.as<double>(), factor.get());
  });
  if (max_norm == std::numeric_limits<double>::infinity()) return;
  for_batches(grads.size(), gradients(grads), [&](const Batch<Gradient>& batch) {
    launch(scale_kernel, per_chunk(batch, block_size(), stream), batch, factor.get());
  });
}

void clip_grad_value(std::span<const View> grads, double limit, Stream stream) {
  update<Gradient>(grads.size(), gradients(grads), Limit{static_cast<float>(limit)}, {}, stream);
}

void ema_step(std::span<const EmaTensor> tensors, double momentum, Stream stream) {
  check_ema_step(tensors);
  const auto make = [&](size_t i) {
    const EmaTensor& t = tensors[i];
    return Ema{t.average.as<float>(), t.value.as<float>(), t.average.numel()};
  };
  update<Ema>(tensors.size(), make, EmaUpdate::of(momentum), {}, stream);
}

}  // namespace kestrel::gpu
