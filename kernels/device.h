#pragma once

#include <cstddef>

#include <kestrel/kernels/stream.h>

namespace kestrel::gpu {

/// CUDA devices present; 0 in a build without CUDA.
int device_count();

/// The stream on which the calling thread queues work for a device.
Stream current_stream(int device);

/// Device memory, uninitialised. Throws OutOfMemoryError.
void* allocate(size_t bytes, int device);
void deallocate(void* memory, size_t bytes, int device) noexcept;

/// Copies between host and device; returns when the host side may be reused.
void copy_to_device(void* to, const void* from, size_t bytes, Stream stream);
void copy_to_host(void* to, const void* from, size_t bytes, Stream stream);
void copy_on_device(void* to, const void* from, size_t bytes, Stream stream);

}  // namespace kestrel::gpu
