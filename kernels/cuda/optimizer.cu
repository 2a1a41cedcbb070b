#include <kestrel/kernels/optimizer.h>

#include <cmath>
#include <limits>
#include <type_traits>

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

__device__ bool on_pack(const void* p) {
  return reinterpret_cast<uintptr_t>(p) % sizeof(Pack<float>) == 0;
}

struct Sgd {
  float* param;
  const float* grad;
  float* momentum;  ///< May be null.
  int64_t n;
  float lr, weight_decay;

  __device__ bool packed() const { return on_pack(param) && on_pack(grad) && on_pack(momentum); }
  template <int N>
  __device__ void update(int64_t i, const SgdParams& params) const {
    Vector<float, N> p = vectors<N>(param)[i];
    const Vector<float, N> g = vectors<N>(grad)[i];
    if (momentum) {
      Vector<float, N> m = vectors<N>(momentum)[i];
      for (int k = 0; k < N; ++k) {
        sgd_momentum_update(p[k], g[k], m[k], lr, weight_decay, params);
      }
      vectors<N>(momentum)[i] = m;
    } else {
      for (int k = 0; k < N; ++k) sgd_update(p[k], g[k], lr, weight_decay);
    }
    vectors<N>(param)[i] = p;
  }
};

struct Adam {
  float* param;
  const float* grad;
  float* exp_avg;
  float* exp_avg_sq;
  int64_t n;
  AdamScalars scalars;

  __device__ bool packed() const {
    return on_pack(param) && on_pack(grad) && on_pack(exp_avg) && on_pack(exp_avg_sq);
  }
  template <int N>
  __device__ void update(int64_t i, const AdamParams&) const {
    Vector<float, N> p = vectors<N>(param)[i];
    const Vector<float, N> g = vectors<N>(grad)[i];
    Vector<float, N> m = vectors<N>(exp_avg)[i];
    Vector<float, N> v = vectors<N>(exp_avg_sq)[i];
    for (int k = 0; k < N; ++k) adam_update(p[k], g[k], m[k], v[k], scalars);
    vectors<N>(param)[i] = p;
    vectors<N>(exp_avg)[i] = m;
    vectors<N>(exp_avg_sq)[i] = v;
  }
};

struct Ema {
  float* average;
  const float* value;
  int64_t n;

  __device__ bool packed() const { return on_pack(average) && on_pack(value); }
  template <int N>
  __device__ void update(int64_t i, float momentum) const {
    Vector<float, N> a = vectors<N>(average)[i];
    const Vector<float, N> v = vectors<N>(value)[i];
    for (int k = 0; k < N; ++k) ema_update(a[k], v[k], momentum);
    vectors<N>(average)[i] = a;
  }
};

struct Gradient {
  float* grad;
  int64_t n;

  __device__ bool packed() const { return on_pack(grad); }
  template <int N>
  __device__ void update(int64_t i, float factor) const {
    Vector<float, N> g = vectors<N>(grad)[i];
    for (int k = 0; k < N; ++k) g[k] *= factor;
    vectors<N>(grad)[i] = g;
  }
};

/// The elements [begin, end) of a tensor.
template <class Tensor>
struct Chunk {
  Tensor tensor;
  int64_t begin, end;
};

/// The chunk of this block.
template <class Tensor>
__device__ Chunk<Tensor> chunk_of(const Batch<Tensor>& batch) {
  const int64_t chunk = blockIdx.x;
  const int t = batch.tensor_of(chunk);
  const int64_t n = batch.tensors[t].n;
  const int64_t begin = (chunk - batch.first_chunk[t]) * kChunk;
  return {batch.tensors[t], begin, n - begin < kChunk ? n : begin + kChunk};
}

template <class Tensor, class Params>
__device__ void update_chunk(const Chunk<Tensor>& chunk, const Params& params) {
  const auto& [tensor, begin, end] = chunk;
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
  if (own < 1) update_chunk(chunk_of(batch), own);
}

/// One block per chunk. A thread takes the same elements wherever the tensor lies.
__global__ void sum_squares_kernel(Batch<Gradient> batch, double* sums) {
  SHARED(double, scratch, [kWarp]);
  const Chunk<Gradient> chunk = chunk_of(batch);
  const float* grad = chunk.tensor.grad;
  const bool packed = chunk.tensor.packed();
  double sum = 0;
  for (int64_t i = chunk.begin + threadIdx.x * kPack; i < chunk.end; i += kSumThreads * kPack) {
    Pack<float> values;
    if (packed && i + kPack <= chunk.end) {
      values = vectors<kPack>(grad)[i / kPack];
    } else {
      for (int k = 0; k < kPack; ++k) values[k] = i + k < chunk.end ? grad[i + k] : 0;
    }
    for (const float value : values.v) sum += static_cast<double>(value) * value;
  }
  sum = block_reduce<Sum>(sum, 0.0, scratch);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

/// One block of kSumThreads.
__global__ void norm_kernel(int64_t n, const double* sums, double max_norm, double* norm,
                            float* factor) {
  SHARED(double, scratch, [kWarp]);
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kSumThreads) sum += sums[i];
  sum = block_reduce<Sum>(sum, 0.0, scratch);
  if (threadIdx.x == 0) {
    *norm = std::sqrt(sum);
    *factor = clip_factor(max_norm, std::sqrt(sum));
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

}  // namespace

void sgd_step(std::span<const SgdTensor> tensors, const SgdParams& params, ConstView guard,
              Stream stream) {
  check_sgd_step(tensors, params);
  const auto make = [&](size_t i) {
    const SgdTensor& t = tensors[i];
    return Sgd{t.param.as<float>(),
               t.grad.as<float>(),
               params.momentum == 0 ? nullptr : t.momentum.as<float>(),
               t.param.numel(),
               t.lr,
               t.weight_decay};
  };
  update<Sgd>(tensors.size(), make, params, guard, stream);
}

void adam_step(std::span<const AdamTensor> tensors, const AdamParams& params, ConstView guard,
               Stream stream) {
  check_adam_step(tensors);
  const auto make = [&](size_t i) {
    const AdamTensor& t = tensors[i];
    return Adam{t.param.as<float>(),      t.grad.as<float>(), t.exp_avg.as<float>(),
                t.exp_avg_sq.as<float>(), t.param.numel(),    adam_scalars(t, params)};
  };
  update<Adam>(tensors.size(), make, params, guard, stream);
}

void clip_grad_norm(std::span<const View> grads, double max_norm, View norm, Stream stream) {
  const auto make = [&](size_t i) { return Gradient{grads[i].as<float>(), grads[i].numel()}; };
  int64_t chunks = 0;
  for (const View& grad : grads) chunks += chunks_of(grad.numel());
  const Scratch<double> sums(chunks, stream);
  const Scratch<float> factor(1, stream);

  double* next = sums.get();
  for_batches(grads.size(), make, [&](const Batch<Gradient>& batch) {
    launch(sum_squares_kernel, per_chunk(batch, kSumThreads, stream), batch, next);
    next += batch.chunks();
  });
  launch(norm_kernel, {dim3(1), dim3(kSumThreads), 0, stream}, chunks, sums.get(), max_norm,
         norm.as<double>(), factor.get());
  if (max_norm == std::numeric_limits<double>::infinity()) return;
  for_batches(grads.size(), make, [&](const Batch<Gradient>& batch) {
    launch(scale_kernel, per_chunk(batch, block_size(), stream), batch, factor.get());
  });
}

void ema_step(std::span<const EmaTensor> tensors, float momentum, Stream stream) {
  check_ema_step(tensors);
  const auto make = [&](size_t i) {
    const EmaTensor& t = tensors[i];
    return Ema{t.average.as<float>(), t.value.as<float>(), t.average.numel()};
  };
  update<Ema>(tensors.size(), make, momentum, {}, stream);
}

}  // namespace kestrel::gpu
