#pragma once

#include <type_traits>

#include <cuda_runtime.h>

namespace planted {

template <class... P>
void start(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
           std::type_identity_t<P>... arguments) {
  void* pointers[] = {static_cast<void*>(&arguments)..., nullptr};
  cudaLaunchKernel(kernel, grid, block, pointers, shared, stream);
}

/// Device memory of zeros for the time of a test.
template <class T>
class Buffer {
 public:
  explicit Buffer(size_t count, bool written = true) {
    cudaMalloc(&data_, count * sizeof(T));
    if (written) cudaMemset(data_, 0, count * sizeof(T));
  }
  ~Buffer() { cudaFree(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  T* get() const { return data_; }

 private:
  T* data_ = nullptr;
};

}  // namespace planted
