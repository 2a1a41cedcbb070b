#include <kestrel/kernels/cuda/launch.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include <kestrel/kernels/error.h>

namespace kestrel::gpu {
namespace {

std::atomic<int> block_threads{256};

/// KESTREL_CUDA_SYNC=1: every launch waits for its kernel.
bool waits_for_kernels() {
  static const bool waits = [] {
    const char* text = std::getenv("KESTREL_CUDA_SYNC");
    return text && std::string(text) != "0";
  }();
  return waits;
}

}  // namespace

void check(cudaError_t status, const char* call, const char* file, int line) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // A sticky error stays; one of this call must not be reported again.
  fail("[cuda] ", call, " failed: ", cudaGetErrorName(status), ", ", cudaGetErrorString(status),
       " (", file, ":", line, "); KESTREL_CUDA_SYNC=1 tells which kernel it was");
}

int block_size() {
  return block_threads;
}

void set_block_size(int threads) {
  KESTREL_CHECK(threads > 0 && threads <= 1024 && threads % 32 == 0,
                "[cuda] a block has a multiple of 32 threads, at most 1024; got ", threads);
  block_threads = threads;
}

void use_device(int device) {
  CUDA_CHECK(cudaSetDevice(device));
}

void finish_launch(cudaError_t status, Stream stream) {
  check(status, "cudaLaunchKernel", __FILE__, __LINE__);
  if (!waits_for_kernels()) return;
  check(cudaStreamSynchronize(static_cast<cudaStream_t>(stream.handle)), "the kernel", __FILE__,
        __LINE__);
}

}  // namespace kestrel::gpu
