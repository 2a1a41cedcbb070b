#include <kestrel/kernels/elementwise.h>

#include <cmath>

#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/reduce.h>
#include <kestrel/kernels/cuda/scratch.h>

namespace kestrel::gpu {
namespace {

/// Elements that one block sums: fixed, so that the order of additions is.
constexpr int64_t kSumChunk = 8192;

struct Add {
  template <class A>
  __device__ A operator()(A a, A b) const {
    return a + b;
  }
};
struct Subtract {
  template <class A>
  __device__ A operator()(A a, A b) const {
    return a - b;
  }
};
struct Multiply {
  template <class A>
  __device__ A operator()(A a, A b) const {
    return a * b;
  }
};
/// a = output, b = gradient.
struct ReluBackward {
  template <class A>
  __device__ A operator()(A a, A b) const {
    return a > 0 ? b : A(0);
  }
};
struct SigmoidBackward {
  template <class A>
  __device__ A operator()(A a, A b) const {
    return b * a * (1 - a);
  }
};
struct Affine {
  double scale, offset;
  template <class A>
  __device__ A operator()(A a) const {
    return a * static_cast<A>(scale) + static_cast<A>(offset);
  }
};
template <class F>
struct ScaleBy {
  const F* factor;
  template <class A>
  __device__ A operator()(A a) const {
    return a * static_cast<A>(*factor);
  }
};
struct Relu {
  template <class A>
  __device__ A operator()(A a) const {
    return a < 0 ? A(0) : a;
  }
};
struct Sigmoid {
  template <class A>
  __device__ A operator()(A a) const {
    const A e = std::exp(-std::abs(a));
    return (a >= 0 ? A(1) : e) / (1 + e);
  }
};

template <class T, class Op>
__global__ void unary_kernel(int64_t n, const T* a, T* out, Op op) {
  for (const int64_t i : grid_stride(n)) {
    out[i] = static_cast<T>(op(static_cast<Accumulate<T>>(a[i])));
  }
}

template <class T, class Op>
__global__ void unary_pack_kernel(int64_t n, const Pack<T>* a, Pack<T>* out, Op op) {
  for (const int64_t i : grid_stride(n)) {
    const Pack<T> x = a[i];
    Pack<T> y;
    for (int k = 0; k < Pack<T>::kSize; ++k) {
      y[k] = static_cast<T>(op(static_cast<Accumulate<T>>(x[k])));
    }
    out[i] = y;
  }
}

template <class T, class Op>
__global__ void binary_kernel(int64_t n, const T* a, const T* b, T* out, Op op) {
  for (const int64_t i : grid_stride(n)) {
    out[i] = static_cast<T>(op(static_cast<Accumulate<T>>(a[i]), static_cast<Accumulate<T>>(b[i])));
  }
}

template <class T, class Op>
__global__ void binary_pack_kernel(int64_t n, const Pack<T>* a, const Pack<T>* b, Pack<T>* out,
                                   Op op) {
  for (const int64_t i : grid_stride(n)) {
    const Pack<T> x = a[i];
    const Pack<T> y = b[i];
    Pack<T> z;
    for (int k = 0; k < Pack<T>::kSize; ++k) {
      z[k] = static_cast<T>(op(static_cast<Accumulate<T>>(x[k]), static_cast<Accumulate<T>>(y[k])));
    }
    out[i] = z;
  }
}

template <class Op>
void unary(const char* name, ConstView a, View out, Op op, Stream stream) {
  visit_compute(a.dtype, name, [&]<class T>(T) {
    const T* from = a.as<T>();
    T* to = out.as<T>();
    const int64_t n = out.numel();
    if (is_packed(from, n) && is_packed(to, n)) {
      launch_1d(unary_pack_kernel<T, Op>, n / Pack<T>::kSize, stream,
                reinterpret_cast<const Pack<T>*>(from), reinterpret_cast<Pack<T>*>(to), op);
    } else {
      launch_1d(unary_kernel<T, Op>, n, stream, from, to, op);
    }
  });
}

template <class Op>
void binary(const char* name, ConstView a, ConstView b, View out, Op op, Stream stream) {
  visit_compute(a.dtype, name, [&]<class T>(T) {
    const T* x = a.as<T>();
    const T* y = b.as<T>();
    T* to = out.as<T>();
    const int64_t n = out.numel();
    if (is_packed(x, n) && is_packed(y, n) && is_packed(to, n)) {
      launch_1d(binary_pack_kernel<T, Op>, n / Pack<T>::kSize, stream,
                reinterpret_cast<const Pack<T>*>(x), reinterpret_cast<const Pack<T>*>(y),
                reinterpret_cast<Pack<T>*>(to), op);
    } else {
      launch_1d(binary_kernel<T, Op>, n, stream, x, y, to, op);
    }
  });
}

/// One block per chunk of kSumChunk elements.
template <class T>
__global__ void partial_sum_kernel(int64_t n, const T* a, double* partial) {
  SHARED(double, scratch, [kWarp]);
  const int64_t begin = int64_t{blockIdx.x} * kSumChunk;
  const int64_t end = n - begin < kSumChunk ? n : begin + kSumChunk;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) {
    sum += static_cast<double>(static_cast<Accumulate<T>>(a[i]));
  }
  sum = block_reduce<Sum>(sum, 0.0, scratch);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/// One block.
template <class T>
__global__ void join_sum_kernel(int64_t n, const double* partial, T* out) {
  SHARED(double, scratch, [kWarp]);
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) sum += partial[i];
  sum = block_reduce<Sum>(sum, 0.0, scratch);
  if (threadIdx.x == 0) *out = static_cast<T>(static_cast<Accumulate<T>>(sum));
}

template <class T>
__global__ void broadcast_kernel(int64_t n, const T* scalar, double scale, T* out) {
  using A = Accumulate<T>;
  const auto value = static_cast<T>(static_cast<A>(*scalar) * static_cast<A>(scale));
  for (const int64_t i : grid_stride(n)) out[i] = value;
}

}  // namespace

void add(ConstView a, ConstView b, View out, Stream stream) {
  binary("add", a, b, out, Add{}, stream);
}
void subtract(ConstView a, ConstView b, View out, Stream stream) {
  binary("subtract", a, b, out, Subtract{}, stream);
}
void multiply(ConstView a, ConstView b, View out, Stream stream) {
  binary("multiply", a, b, out, Multiply{}, stream);
}
void affine(ConstView a, double scale, double offset, View out, Stream stream) {
  unary("affine", a, out, Affine{scale, offset}, stream);
}
void scale(ConstView a, ConstView factor, View out, Stream stream) {
  if (factor.dtype == DType::Float64) {
    unary("scale", a, out, ScaleBy<double>{factor.as<double>()}, stream);
  } else {
    unary("scale", a, out, ScaleBy<float>{factor.as<float>()}, stream);
  }
}
void relu_forward(ConstView a, View out, Stream stream) {
  unary("relu", a, out, Relu{}, stream);
}
void relu_backward(ConstView output, ConstView grad_out, View grad_in, Stream stream) {
  binary("relu_backward", output, grad_out, grad_in, ReluBackward{}, stream);
}
void sigmoid_forward(ConstView a, View out, Stream stream) {
  unary("sigmoid", a, out, Sigmoid{}, stream);
}
void sigmoid_backward(ConstView output, ConstView grad_out, View grad_in, Stream stream) {
  binary("sigmoid_backward", output, grad_out, grad_in, SigmoidBackward{}, stream);
}

void sum(ConstView a, View out, Stream stream) {
  visit_compute(a.dtype, "sum", [&]<class T>(T) {
    const int64_t n = a.numel();
    const int64_t chunks = (n + kSumChunk - 1) / kSumChunk;
    const Scratch<double> partial(chunks, stream);
    const dim3 block(static_cast<unsigned>(block_size()));
    if (chunks > 0) {
      launch(partial_sum_kernel<T>, {dim3(static_cast<unsigned>(chunks)), block, 0, stream}, n,
             a.as<T>(), partial.get());
    }
    launch(join_sum_kernel<T>, {dim3(1), block, 0, stream}, chunks, partial.get(), out.as<T>());
  });
}

void broadcast(ConstView scalar, double scale, View out, Stream stream) {
  visit_compute(out.dtype, "broadcast", [&]<class T>(T) {
    launch_1d(broadcast_kernel<T>, out.numel(), stream, scalar.as<T>(), scale, out.as<T>());
  });
}

}  // namespace kestrel::gpu
