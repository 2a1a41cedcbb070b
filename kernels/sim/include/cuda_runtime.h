#pragma once

// The part of CUDA that kernels and their launchers use, for a C++ compiler: the same source that
// nvcc compiles runs on the host, one fiber per CUDA thread. README.md says what is checked and
// what is not.
#define CUDA_SIM 1

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "cuda_sim/runtime_api.h"
#include "cuda_sim/types.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

// Real variables, as in CUDA, so that `auto` and templates see their types.
extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
inline constexpr int warpSize = 32;

namespace cuda_sim {

using Location = std::source_location;

void barrier(const Location& where);
/// -1, 0 or 1 of the predicate joined over the block: its sum, conjunction or disjunction.
int barrier_reduce(int predicate, char operation, const Location& where);

/// Waits until every lane of the mask is here with the same mask and operation, and gives the value
/// that lane `source` brought, or this lane's own where it asks for none (-1).
void shuffle(const char* operation, uint32_t mask, const void* value, void* result, size_t bytes,
             int source, const Location& where);
void sync_warp(uint32_t mask, const Location& where);
uint32_t lane_id();

/// Checks an atomic access; the caller then performs it: one CUDA thread runs at a time.
void atomic_access(const volatile void* address, size_t bytes, const Location& where);

/// Memory of the block; every thread of a block gets the same.
void* shared_object(const void* key, const char* name, size_t bytes, size_t alignment);
void* dynamic_shared_memory();

template <class T>
T shuffle(const char* operation, uint32_t mask, T value, int source, const Location& where) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 64);
  T result;
  shuffle(operation, mask, &value, &result, sizeof(T), source, where);
  return result;
}

/// A kernel with its arguments, started once per CUDA thread.
class Call {
 public:
  virtual ~Call() = default;
  virtual void run() const = 0;
  /// Where the arguments are: kernels read them, though they are host memory.
  virtual std::pair<const void*, size_t> arguments() const = 0;
  virtual std::vector<const void*> pointers() const = 0;
};

template <class... P>
class CallOf final : public Call {
 public:
  CallOf(void (*kernel)(P...), const P&... arguments) : kernel_(kernel), arguments_(arguments...) {}
  void run() const override { std::apply(kernel_, arguments_); }
  std::pair<const void*, size_t> arguments() const override { return {this, sizeof(*this)}; }
  std::vector<const void*> pointers() const override {
    std::vector<const void*> result;
    std::apply([&](const auto&... argument) { (add_pointer(result, argument), ...); }, arguments_);
    return result;
  }

 private:
  template <class T>
  static void add_pointer(std::vector<const void*>& pointers, const T& argument) {
    if constexpr (std::is_pointer_v<T>) {
      pointers.push_back(reinterpret_cast<const void*>(argument));
    }
  }

  void (*kernel_)(P...);
  std::tuple<P...> arguments_;
};

cudaError_t launch(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes,
                   cudaStream_t stream, std::shared_ptr<const Call> call);

template <class... P, size_t... I>
std::shared_ptr<const Call> make_call(void (*kernel)(P...), void** arguments,
                                      std::index_sequence<I...>) {
  return std::make_shared<CallOf<P...>>(kernel, *static_cast<P*>(arguments[I])...);
}

// Tensor cores and asynchronous copies, with PTX's fragment layouts.
void mma_m16n8k16_bf16(float* d, const uint32_t* a, const uint32_t* b, const float* c,
                       Location where = Location::current());
void mma_m16n8k16_f16(float* d, const uint32_t* a, const uint32_t* b, const float* c,
                      Location where = Location::current());
void mma_m16n8k8_tf32(float* d, const uint32_t* a, const uint32_t* b, const float* c,
                      Location where = Location::current());
void ldmatrix_x4(uint32_t* registers, const void* row, bool transposed,
                 Location where = Location::current());
void cp_async_16(void* to_shared, const void* from_global, bool valid,
                 Location where = Location::current());
void cp_async_commit();
void cp_async_wait(int pending_groups);

}  // namespace cuda_sim

template <class... P>
cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** arguments,
                             size_t shared_bytes = 0, cudaStream_t stream = nullptr) {
  return cuda_sim::launch(reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, stream,
                          cuda_sim::make_call(kernel, arguments, std::index_sequence_for<P...>()));
}

#define SHARED(type, name, dims)                                                          \
  typedef type name##_shared_type dims;                                                   \
  static const char name##_shared_key = 0;                                                \
  name##_shared_type& name = *static_cast<name##_shared_type*>(::cuda_sim::shared_object( \
      &name##_shared_key, #name, sizeof(name##_shared_type), alignof(name##_shared_type)))

template <class T>
T* dynamic_shared() {
  return static_cast<T*>(cuda_sim::dynamic_shared_memory());
}

// Synchronisation. The location is the caller's: it names a barrier, however the compiler
// duplicates it.
inline void __syncthreads(cuda_sim::Location where = cuda_sim::Location::current()) {
  cuda_sim::barrier(where);
}
inline int __syncthreads_count(int predicate,
                               cuda_sim::Location where = cuda_sim::Location::current()) {
  return cuda_sim::barrier_reduce(predicate, '+', where);
}
inline int __syncthreads_and(int predicate,
                             cuda_sim::Location where = cuda_sim::Location::current()) {
  return cuda_sim::barrier_reduce(predicate, '&', where);
}
inline int __syncthreads_or(int predicate,
                            cuda_sim::Location where = cuda_sim::Location::current()) {
  return cuda_sim::barrier_reduce(predicate, '|', where);
}
inline void __syncwarp(unsigned mask = 0xffffffffu,
                       cuda_sim::Location where = cuda_sim::Location::current()) {
  cuda_sim::sync_warp(mask, where);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              cuda_sim::Location where = cuda_sim::Location::current()) {
  const int lane = static_cast<int>(cuda_sim::lane_id());
  const int from = lane / width * width + ((source % width) + width) % width;
  return cuda_sim::shuffle("__shfl_sync", mask, value, from, where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 cuda_sim::Location where = cuda_sim::Location::current()) {
  const int lane = static_cast<int>(cuda_sim::lane_id());
  const int from = lane - static_cast<int>(delta);
  return cuda_sim::shuffle("__shfl_up_sync", mask, value, from >= lane / width * width ? from : -1,
                           where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   cuda_sim::Location where = cuda_sim::Location::current()) {
  const int lane = static_cast<int>(cuda_sim::lane_id());
  const int from = lane + static_cast<int>(delta);
  return cuda_sim::shuffle("__shfl_down_sync", mask, value,
                           from < lane / width * width + width ? from : -1, where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  cuda_sim::Location where = cuda_sim::Location::current()) {
  const int lane = static_cast<int>(cuda_sim::lane_id());
  const int from = lane ^ lane_mask;
  return cuda_sim::shuffle("__shfl_xor_sync", mask, value,
                           from < lane / width * width + width ? from : -1, where);
}

unsigned __ballot_sync(unsigned mask, int predicate,
                       cuda_sim::Location where = cuda_sim::Location::current());
inline int __any_sync(unsigned mask, int predicate,
                      cuda_sim::Location where = cuda_sim::Location::current()) {
  return __ballot_sync(mask, predicate, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      cuda_sim::Location where = cuda_sim::Location::current()) {
  return __ballot_sync(mask, predicate, where) == mask;
}
unsigned __match_any_sync(unsigned mask, unsigned long long value,
                          cuda_sim::Location where = cuda_sim::Location::current());
int __reduce_add_sync(unsigned mask, int value,
                      cuda_sim::Location where = cuda_sim::Location::current());
int __reduce_max_sync(unsigned mask, int value,
                      cuda_sim::Location where = cuda_sim::Location::current());
int __reduce_min_sync(unsigned mask, int value,
                      cuda_sim::Location where = cuda_sim::Location::current());

// Atomics. The simulator runs one CUDA thread at a time, so plain arithmetic is atomic here; the
// access is checked as an atomic one.
#define CUDA_SIM_ATOMIC(name, expression)                         \
  template <class T>                                              \
  __attribute__((no_sanitize("thread"))) T name(                  \
      T* address, std::type_identity_t<T> value,                  \
      cuda_sim::Location where = cuda_sim::Location::current()) { \
    cuda_sim::atomic_access(address, sizeof(T), where);           \
    const T old = *address;                                       \
    *address = static_cast<T>(expression);                        \
    return old;                                                   \
  }
CUDA_SIM_ATOMIC(atomicAdd, old + value)
CUDA_SIM_ATOMIC(atomicSub, old - value)
CUDA_SIM_ATOMIC(atomicExch, value)
CUDA_SIM_ATOMIC(atomicMax, old < value ? value : old)
CUDA_SIM_ATOMIC(atomicMin, value < old ? value : old)
CUDA_SIM_ATOMIC(atomicAnd, old& value)
CUDA_SIM_ATOMIC(atomicOr, old | value)
CUDA_SIM_ATOMIC(atomicXor, old ^ value)
#undef CUDA_SIM_ATOMIC

template <class T>
__attribute__((no_sanitize("thread"))) T atomicCAS(
    T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value,
    cuda_sim::Location where = cuda_sim::Location::current()) {
  cuda_sim::atomic_access(address, sizeof(T), where);
  const T old = *address;
  if (old == compare) *address = value;
  return old;
}

// Intrinsics.
template <class T>
T __ldg(const T* address) {
  return *address;
}
template <class T>
T __ldcs(const T* address) {
  return *address;
}
template <class T>
void __stcs(T* address, T value) {
  *address = value;
}
inline int __popc(unsigned x) {
  return __builtin_popcount(x);
}
inline int __popcll(unsigned long long x) {
  return __builtin_popcountll(x);
}
inline int __ffs(int x) {
  return __builtin_ffs(x);
}
inline int __ffsll(long long x) {
  return __builtin_ffsll(x);
}
inline int __clz(int x) {
  return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x));
}
inline int __clzll(long long x) {
  return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x));
}
inline unsigned __brev(unsigned x) {
  unsigned result = 0;
  for (int i = 0; i < 32; ++i) result |= (x >> i & 1u) << (31 - i);
  return result;
}
inline unsigned __float_as_uint(float x) {
  return __builtin_bit_cast(unsigned, x);
}
inline int __float_as_int(float x) {
  return __builtin_bit_cast(int, x);
}
inline float __uint_as_float(unsigned x) {
  return __builtin_bit_cast(float, x);
}
inline float __int_as_float(int x) {
  return __builtin_bit_cast(float, x);
}
inline long long __double_as_longlong(double x) {
  return __builtin_bit_cast(long long, x);
}
inline double __longlong_as_double(long long x) {
  return __builtin_bit_cast(double, x);
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(uint64_t{a} * b >> 32);
}
inline float __fmul_rn(float a, float b) {
  volatile float r = a * b;
  return r;
}
inline float __fadd_rn(float a, float b) {
  volatile float r = a + b;
  return r;
}
inline float __fdividef(float a, float b) {
  return a / b;
}
inline float __expf(float x) {
  return std::exp(x);
}
inline float __logf(float x) {
  return std::log(x);
}
inline float rsqrtf(float x) {
  return 1 / std::sqrt(x);
}
inline double rsqrt(double x) {
  return 1 / std::sqrt(x);
}
inline float __saturatef(float x) {
  return x < 0 ? 0 : x > 1 ? 1 : x;
}

template <class A, class B>
constexpr auto min(A a, B b) -> std::common_type_t<A, B> {
  using T = std::common_type_t<A, B>;
  return static_cast<T>(b) < static_cast<T>(a) ? static_cast<T>(b) : static_cast<T>(a);
}
template <class A, class B>
constexpr auto max(A a, B b) -> std::common_type_t<A, B> {
  using T = std::common_type_t<A, B>;
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a);
}
using std::abs;
using std::ceil;
using std::exp;
using std::floor;
using std::fma;
using std::isfinite;
using std::isnan;
using std::log;
using std::sqrt;
