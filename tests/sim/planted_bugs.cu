// Kernels with one mistake each, on the line that says PLANTED: the simulator must report it there.

#include "planted_bugs.h"

#include <cuda_runtime.h>

#include "launch.h"

namespace planted {
namespace {

constexpr unsigned kFull = 0xffffffffu;

__device__ float warp_sum(float value) {
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(kFull, value, step);
  return value;
}

// racecheck
// ----------------------------------------------------------------------------------------

__device__ float block_sum_without_last_barrier(float value, float* scratch) {
  value = warp_sum(value);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;  // PLANTED two_reductions
  __syncthreads();
  return warp_sum(threadIdx.x % 32 < blockDim.x / 32 ? scratch[threadIdx.x % 32] : 0);
}
__global__ void two_reductions(float* out) {
  SHARED(float, scratch, [32]);
  const float a = block_sum_without_last_barrier(1, scratch);
  const float b = block_sum_without_last_barrier(2, scratch);
  if (threadIdx.x == 0) out[blockIdx.x] = a + b;
}

__global__ void lost_update(int* counter) {
  *counter = *counter + 1;  // PLANTED lost_update
}

__global__ void lost_update_shared(int* out) {
  SHARED(int, count, [1]);
  if (threadIdx.x == 0) count[0] = 0;
  __syncthreads();
  count[0] += 1;  // PLANTED lost_update_shared
  __syncthreads();
  if (threadIdx.x == 0) *out = count[0];
}

__global__ void missing_barrier(float* out) {
  SHARED(float, tile, [256]);
  tile[threadIdx.x] = static_cast<float>(threadIdx.x);
  out[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];  // PLANTED missing_barrier
}

__global__ void missing_second_barrier(float* out) {
  SHARED(float, tile, [64]);
  float sum = 0;
  for (int i = 0; i < 3; ++i) {
    tile[threadIdx.x] = static_cast<float>(i);  // PLANTED missing_second_barrier
    __syncthreads();
    sum += tile[(threadIdx.x + 1) % 64];
  }
  out[threadIdx.x] = sum;
}

__global__ void warp_without_sync(int* out) {
  SHARED(int, values, [32]);
  values[threadIdx.x] = static_cast<int>(threadIdx.x);
  out[threadIdx.x] = values[(threadIdx.x + 1) % 32];  // PLANTED warp_without_sync
}

__global__ void shuffle_is_no_fence(int* out) {
  SHARED(int, values, [32]);
  values[threadIdx.x] = static_cast<int>(threadIdx.x);
  const int other = __shfl_xor_sync(kFull, 1, 1);
  out[threadIdx.x] = other + values[(threadIdx.x + 1) % 32];  // PLANTED shuffle_is_no_fence
}

__global__ void blocks_overlap(float* out) {
  out[threadIdx.x] = static_cast<float>(blockIdx.x);  // PLANTED blocks_overlap
}

__global__ void atomic_and_plain(int* counter, int* out) {
  atomicAdd(counter, 1);
  out[blockIdx.x * blockDim.x + threadIdx.x] = *counter;  // PLANTED atomic_and_plain
}

__global__ void neighbours_in_place(float* data) {
  const float left = data[threadIdx.x];
  data[threadIdx.x + 1] = left;  // PLANTED neighbours_in_place
}

__global__ void half_warp_sync(int* out) {
  SHARED(int, values, [32]);
  values[threadIdx.x] = 1;
  __syncwarp(threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u);
  out[threadIdx.x] = values[31 - threadIdx.x];  // PLANTED half_warp_sync
}

__global__ void bytes_collide(unsigned char* out) {
  out[threadIdx.x / 2] = static_cast<unsigned char>(threadIdx.x);  // PLANTED bytes_collide
}

__global__ void byte_of_a_vector(unsigned char* out) {
  if (threadIdx.x == 0) {
    *reinterpret_cast<uint4*>(out) = uint4{};
  } else {
    out[7] = 1;  // PLANTED byte_of_a_vector
  }
}

// memcheck
// -----------------------------------------------------------------------------------------

__global__ void global_overflow(float* out) {
  out[threadIdx.x + 1] = 1;  // PLANTED global_overflow
}

__global__ void global_overflow_read(const unsigned char* in, unsigned char* out) {
  out[threadIdx.x] = in[threadIdx.x + 1];  // PLANTED global_overflow_read
}

__global__ void global_underflow(float* out) {
  out[static_cast<int>(threadIdx.x) - 1] = 1;  // PLANTED global_underflow
}

__global__ void shared_overflow(float* out) {
  SHARED(float, tile, [32]);
  tile[threadIdx.x + 1] = 1;  // PLANTED shared_overflow
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x];
}

__global__ void dynamic_shared_overflow(float* out) {
  float* tile = dynamic_shared<float>();
  tile[threadIdx.x] = 1;  // PLANTED dynamic_shared_overflow
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x];
}

__global__ void misaligned(const float* in, float* out) {
  const float4 four = *reinterpret_cast<const float4*>(in + 1);  // PLANTED misaligned
  out[threadIdx.x] = four.x;
}

__global__ void stale_pointer(float* out) {
  out[threadIdx.x] = 1;  // PLANTED stale_pointer
}

struct Holder {
  float* data;
};
__global__ void host_pointer_inside(Holder holder) {
  holder.data[threadIdx.x] = 1;  // PLANTED host_pointer_inside
}

__global__ void others_local(float** slot, float* out) {
  float mine = 1;
  if (threadIdx.x == 0) *slot = &mine;
  __syncthreads();
  if (threadIdx.x == 1) out[0] = **slot;  // PLANTED others_local
  __syncthreads();
}

// initcheck
// ----------------------------------------------------------------------------------------

__global__ void unwritten_shared(float* out) {
  SHARED(float, tile, [64]);
  if (threadIdx.x < 32) tile[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x];  // PLANTED unwritten_shared
}

__global__ void unwritten_global(const float* in, float* out) {
  out[threadIdx.x] = in[threadIdx.x];  // PLANTED unwritten_global
}

__global__ void half_written(float* out, unsigned count) {
  if (threadIdx.x < count) out[threadIdx.x] = 1;
}

__global__ void before_the_copy_arrives(const float* in, float* out) {
  SHARED(float4, tile, [32]);
  cuda_sim::cp_async_16(&tile[threadIdx.x], in + threadIdx.x * 4, true);
  cuda_sim::cp_async_commit();
  out[threadIdx.x] = tile[threadIdx.x].x;  // PLANTED before_the_copy_arrives
  cuda_sim::cp_async_wait(0);
}

__global__ void copy_without_barrier(const float* in, float* out) {
  SHARED(float4, tile, [32]);
  cuda_sim::cp_async_16(&tile[threadIdx.x], in + threadIdx.x * 4, true);
  cuda_sim::cp_async_commit();
  cuda_sim::cp_async_wait(0);
  out[threadIdx.x] = tile[(threadIdx.x + 1) % 32].x;  // PLANTED copy_without_barrier
}

__global__ void one_group_too_few(const float* in, float* out) {
  SHARED(float4, tile, [2][32]);
  for (int stage = 0; stage < 2; ++stage) {
    cuda_sim::cp_async_16(&tile[stage][threadIdx.x], in + threadIdx.x * 4, true);
    cuda_sim::cp_async_commit();
  }
  cuda_sim::cp_async_wait(1);
  __syncthreads();
  out[threadIdx.x] = tile[1][threadIdx.x].x;  // PLANTED one_group_too_few
  __syncthreads();
  cuda_sim::cp_async_wait(0);
}

__global__ void fragment_stride(const unsigned short* in, float* out) {
  SHARED(uint4, tile, [16 * 2]);
  auto* values = reinterpret_cast<unsigned short*>(tile);
  for (unsigned i = threadIdx.x; i < 256; i += 32) values[i] = in[i];
  __syncwarp();
  uint32_t a[4];
  const unsigned row = threadIdx.x % 16;
  const unsigned half = threadIdx.x / 16;
  cuda_sim::ldmatrix_x4(a, values + row * 24 + half * 8, false);  // PLANTED fragment_stride
  out[threadIdx.x] = static_cast<float>(a[0]);
}

// synccheck
// ----------------------------------------------------------------------------------------

__global__ void early_return(float* out) {
  if (threadIdx.x == 5) return;
  __syncthreads();  // PLANTED early_return
  out[threadIdx.x] = 1;
}

__global__ void barriers_in_both_arms(float* out) {
  if (threadIdx.x < 32) {
    __syncthreads();  // PLANTED barriers_in_both_arms
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 1;
}

__global__ void barrier_in_loop(float* out) {
  for (unsigned i = 0; i < 1 + threadIdx.x / 32; ++i) {
    __syncthreads();  // PLANTED barrier_in_loop
  }
  out[threadIdx.x] = 1;
}

__global__ void absent_lane(float* out) {
  float value = 1;
  if (threadIdx.x < 16) value = __shfl_xor_sync(kFull, value, 1);  // PLANTED absent_lane
  out[threadIdx.x] = value;
}

__global__ void lane_outside_mask(int* out) {
  int value = 1;
  if (threadIdx.x < 16) {
    value = __shfl_sync(0x0000ffffu, value, 20);  // PLANTED lane_outside_mask
  }
  out[threadIdx.x] = value;
}

__global__ void not_in_own_mask(int* out) {
  out[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, 1, 1);  // PLANTED not_in_own_mask
}

__global__ void barrier_against_shuffle(int* out) {
  if (threadIdx.x < 16) {
    __syncthreads();
  } else {
    out[threadIdx.x] = __shfl_xor_sync(kFull, 1, 1);  // PLANTED barrier_against_shuffle
  }
}

__global__ void nothing(float*) {}
__global__ void write_one(float* out) {
  out[threadIdx.x] = 1;
}
__global__ void read_one(const float* in, float* out) {
  out[threadIdx.x] = in[threadIdx.x];
}

template <class T>
void on_buffer(void (*kernel)(T*), size_t count, dim3 grid, dim3 block, size_t shared = 0) {
  const Buffer<T> out(count);
  start(kernel, grid, block, shared, nullptr, out.get());
}

template <class T>
void on_buffers(void (*kernel)(const T*, T*), size_t count, dim3 block, bool written = true) {
  const Buffer<T> in(count, written);
  const Buffer<T> out(count);
  start(kernel, 1, block, 0, nullptr, in.get(), out.get());
}

}  // namespace

const std::vector<Bug>& bugs() {
  using Check = cuda_sim::Check;
  static const std::vector<Bug> bugs{
      {"two_reductions", Check::Race, [] { on_buffer(two_reductions, 1, 1, 64); }},
      {"lost_update", Check::Race, [] { on_buffer(lost_update, 1, 1, 32); }},
      {"lost_update_shared", Check::Race, [] { on_buffer(lost_update_shared, 1, 1, 32); }},
      {"missing_barrier", Check::Race, [] { on_buffer(missing_barrier, 64, 1, 64); }},
      {"missing_second_barrier", Check::Race, [] { on_buffer(missing_second_barrier, 64, 1, 64); }},
      {"warp_without_sync", Check::Race, [] { on_buffer(warp_without_sync, 32, 1, 32); }},
      {"shuffle_is_no_fence", Check::Race, [] { on_buffer(shuffle_is_no_fence, 32, 1, 32); }},
      {"blocks_overlap", Check::Race, [] { on_buffer(blocks_overlap, 32, 2, 32); }},
      {"atomic_and_plain", Check::Race,
       [] {
         const Buffer<int> counter(1);
         const Buffer<int> out(64);
         start(atomic_and_plain, 1, 64, 0, nullptr, counter.get(), out.get());
       }},
      {"neighbours_in_place", Check::Race, [] { on_buffer(neighbours_in_place, 65, 1, 64); }},
      {"half_warp_sync", Check::Race, [] { on_buffer(half_warp_sync, 32, 1, 32); }},
      {"bytes_collide", Check::Race, [] { on_buffer(bytes_collide, 32, 1, 32); }},
      {"byte_of_a_vector", Check::Race, [] { on_buffer(byte_of_a_vector, 16, 1, 2); }},
      {"global_overflow", Check::Memory, [] { on_buffer(global_overflow, 32, 1, 32); }},
      {"global_overflow_read", Check::Memory,
       [] { on_buffers(global_overflow_read, 33, 33 + 31); }},
      {"global_underflow", Check::Memory, [] { on_buffer(global_underflow, 32, 1, 32); }},
      {"shared_overflow", Check::Memory, [] { on_buffer(shared_overflow, 32, 1, 32); }},
      {"dynamic_shared_overflow", Check::Memory,
       [] { on_buffer(dynamic_shared_overflow, 64, 1, 64, 63 * sizeof(float)); }},
      {"misaligned", Check::Memory, [] { on_buffers(misaligned, 32, 1); }},
      {"stale_pointer", Check::Memory,
       [] {
         float* stale = nullptr;
         cudaMalloc(&stale, 128);
         cudaFree(stale);
         start(stale_pointer, 1, 32, 0, nullptr, stale);
       }},
      {"host_pointer_inside", Check::Memory,
       [] {
         static std::vector<float> host(32);
         start(host_pointer_inside, 1, 32, 0, nullptr, Holder{host.data()});
       }},
      {"others_local", Check::Memory,
       [] {
         const Buffer<float*> slot(1);
         const Buffer<float> out(1);
         start(others_local, 1, 32, 0, nullptr, slot.get(), out.get());
       }},
      {"unwritten_shared", Check::Initialisation, [] { on_buffer(unwritten_shared, 64, 1, 64); }},
      {"unwritten_global", Check::Initialisation,
       [] { on_buffers(unwritten_global, 32, 32, false); }},
      {"before_the_copy_arrives", Check::Initialisation,
       [] { on_buffers(before_the_copy_arrives, 128, 32); }},
      {"copy_without_barrier", Check::Race, [] { on_buffers(copy_without_barrier, 128, 32); }},
      {"one_group_too_few", Check::Initialisation, [] { on_buffers(one_group_too_few, 128, 32); }},
      {"fragment_stride", Check::Memory,
       [] {
         const Buffer<unsigned short> in(256);
         const Buffer<float> out(32);
         start(fragment_stride, 1, 32, 0, nullptr, in.get(), out.get());
       }},
      {"early_return", Check::Synchronisation, [] { on_buffer(early_return, 64, 1, 64); }},
      {"barriers_in_both_arms", Check::Synchronisation,
       [] { on_buffer(barriers_in_both_arms, 64, 1, 64); }},
      {"barrier_in_loop", Check::Synchronisation, [] { on_buffer(barrier_in_loop, 64, 1, 64); }},
      {"absent_lane", Check::Synchronisation, [] { on_buffer(absent_lane, 32, 1, 32); }},
      {"lane_outside_mask", Check::Synchronisation,
       [] { on_buffer(lane_outside_mask, 32, 1, 32); }},
      {"not_in_own_mask", Check::Synchronisation, [] { on_buffer(not_in_own_mask, 32, 1, 32); }},
      {"barrier_against_shuffle", Check::Synchronisation,
       [] { on_buffer(barrier_against_shuffle, 32, 1, 32); }},
      // Mistakes of the host: no line of a kernel.
      {"too_many_threads", Check::Launch, [] { on_buffer(nothing, 1, 1, 1056); }, true},
      {"empty_grid", Check::Launch, [] { on_buffer(nothing, 1, 0, 32); }, true},
      {"too_much_shared_memory", Check::Launch, [] { on_buffer(nothing, 1, 1, 32, 49 * 1024); },
       true},
      {"host_pointer_argument", Check::Launch,
       [] {
         static float host[32];
         start(write_one, 1, 32, 0, nullptr, static_cast<float*>(host));
       },
       true},
      {"second_stream_without_event", Check::Stream,
       [] {
         const Buffer<float> data(32);
         const Buffer<float> out(32);
         cudaStream_t a = nullptr;
         cudaStream_t b = nullptr;
         cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking);
         cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking);
         cudaDeviceSynchronize();
         start(write_one, 1, 32, 0, a, data.get());
         start(read_one, 1, 32, 0, b, static_cast<const float*>(data.get()), out.get());
         cudaStreamDestroy(a);
         cudaStreamDestroy(b);
       },
       true},
      {"reused_while_read", Check::Stream,
       [] {
         const Buffer<float> data(32);
         const Buffer<float> out(32);
         cudaStream_t a = nullptr;
         cudaStream_t b = nullptr;
         cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking);
         cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking);
         cudaDeviceSynchronize();
         start(read_one, 1, 32, 0, a, static_cast<const float*>(data.get()), out.get());
         cudaMemsetAsync(data.get(), 0, 128, b);
         cudaStreamDestroy(a);
         cudaStreamDestroy(b);
       },
       true},
      {"copy_of_unwritten", Check::Initialisation,
       [] {
         const Buffer<float> data(32, false);
         float host[32];
         start(half_written, 1, 32, 0, nullptr, data.get(), 20u);
         cudaMemcpy(host, data.get(), sizeof(host), cudaMemcpyDeviceToHost);
       },
       true},
      {"copy_overflow", Check::Memory,
       [] {
         const Buffer<float> data(32);
         float host[33] = {};
         cudaMemcpy(data.get(), host, sizeof(host), cudaMemcpyHostToDevice);
       },
       true},
      {"double_free", Check::Memory,
       [] {
         float* data = nullptr;
         cudaMalloc(&data, 128);
         cudaFree(data);
         cudaFree(data);
       },
       true},
  };
  return bugs;
}

}  // namespace planted
