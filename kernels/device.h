#pragma once

#include <cstddef>
#include <string>

#include <kestrel/kernels/stream.h>

/// Devices, memory and streams of CUDA.
namespace kestrel::gpu {

/// CUDA devices present; 0 in a build without CUDA.
int device_count();
/// "NVIDIA H100 PCIe, compute capability 9.0, 81000 MiB".
std::string device_name(int device);

/// Threads per block of the kernels that leave it open, 256 unless somebody sets another multiple
/// of 32, at most 1024: for tests.
int block_size();
void set_block_size(int threads);

/// The stream on which the calling thread queues work for a device: one stream per device, unless
/// set_current_stream chose another.
Stream current_stream(int device);
/// Returns the stream that was the thread's current one.
Stream set_current_stream(Stream stream);
Stream create_stream(int device);
/// Waits for what the stream holds.
void destroy_stream(Stream stream);
/// Waits until everything queued so far has been done.
void synchronize(Stream stream);

/// A point in a stream that others can wait for.
struct Event {
  int device = 0;
  void* handle = nullptr;  ///< cudaEvent_t.
};
Event create_event(int device);
void destroy_event(Event event) noexcept;
void record_event(Event event, Stream stream);
/// What is queued on the stream from now on waits for the event; the host does not.
void wait_event(Stream stream, Event event);
void synchronize(Event event);
/// Whether everything before it has been done; does not wait.
bool has_passed(Event event);

/// Work that was recorded from a stream, to be queued again as a whole, with the same operands at
/// the same addresses.
struct Graph {
  int device = 0;
  void* handle = nullptr;  ///< cudaGraphExec_t.
};
/// From here to end_capture() what this thread queues on the stream is recorded and not done. It
/// must not wait for a device or copy from host memory. Throws where that happened.
void begin_capture(Stream stream);
Graph end_capture(Stream stream);
void launch_graph(Graph graph, Stream stream);
void destroy_graph(Graph graph) noexcept;

/// Bytes of a device's memory.
struct DeviceMemoryStats {
  size_t used = 0;    ///< Handed out now.
  size_t peak = 0;    ///< The most that was handed out at once.
  size_t cached = 0;  ///< Freed, and kept for the next allocation.
  size_t free = 0;    ///< That the device has left, for anyone.
  size_t total = 0;   ///< Of the device.
};

/// Device memory, uninitialised, from a caching allocator. A freed block goes to the next
/// allocation of its size class (steps of an eighth of a power of two) on the stream that was
/// current when it was allocated, in that stream's order and without waiting: memory that another
/// stream still uses must not be freed before an event says so. Throws OutOfMemoryError, after
/// cached blocks have been given back. KESTREL_CUDA_CACHE=0 turns the cache off, for tools that
/// look for stale pointers. Zero bytes are legal.
void* allocate(size_t bytes, int device);
void deallocate(void* memory, size_t bytes, int device) noexcept;
DeviceMemoryStats memory_stats(int device);
/// Gives cached blocks back to the device.
void release_cached_memory(int device);
/// Memory that is allocated while the stream is current is never given back to the device, even if
/// freed, until forget_memory(): a graph may have its address. The stream's own later allocations
/// may get it.
void keep_memory(Stream stream);
void forget_memory(Stream stream);

/// Host memory that the device copies from and to without the host's help.
void* allocate_pinned(size_t bytes);
void free_pinned(void* memory) noexcept;

/// Copies between host and device; returns when the host side may be reused. To the device that is
/// at once, by way of pinned memory; to the host, when the stream has got there.
void copy_to_device(void* to, const void* from, size_t bytes, Stream stream);
void copy_to_host(void* to, const void* from, size_t bytes, Stream stream);
/// Queued: a pinned host side must stay until the stream has got there.
void copy_to_device_async(void* to, const void* from, size_t bytes, Stream stream);
void copy_to_host_async(void* to, const void* from, size_t bytes, Stream stream);
void copy_on_device(void* to, const void* from, size_t bytes, Stream stream);

}  // namespace kestrel::gpu
