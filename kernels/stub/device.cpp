#include <kestrel/kernels/device.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

int device_count() {
  return 0;
}
std::string device_name(int) {
  no_cuda("device_name");
}
int block_size() {
  no_cuda("block_size");
}
void set_block_size(int) {
  no_cuda("set_block_size");
}
Stream current_stream(int) {
  no_cuda("current_stream");
}
Stream set_current_stream(Stream) {
  no_cuda("set_current_stream");
}
Stream create_stream(int) {
  no_cuda("create_stream");
}
void destroy_stream(Stream) {
  no_cuda("destroy_stream");
}
void synchronize(Stream) {
  no_cuda("synchronize");
}
Event create_event(int) {
  no_cuda("create_event");
}
void destroy_event(Event) noexcept {}
void record_event(Event, Stream) {
  no_cuda("record_event");
}
void wait_event(Stream, Event) {
  no_cuda("wait_event");
}
void synchronize(Event) {
  no_cuda("synchronize");
}
bool has_passed(Event) {
  no_cuda("has_passed");
}
void begin_capture(Stream) {
  no_cuda("begin_capture");
}
Graph end_capture(Stream) {
  no_cuda("end_capture");
}
void launch_graph(Graph, Stream) {
  no_cuda("launch_graph");
}
void destroy_graph(Graph) noexcept {}
void keep_memory(Stream) {
  no_cuda("keep_memory");
}
void forget_memory(Stream) {
  no_cuda("forget_memory");
}
void* allocate(size_t, int) {
  no_cuda("allocate");
}
void deallocate(void*, size_t, int) noexcept {}
DeviceMemoryStats memory_stats(int) {
  no_cuda("memory_stats");
}
void release_cached_memory(int) {
  no_cuda("release_cached_memory");
}
void* allocate_pinned(size_t) {
  no_cuda("allocate_pinned");
}
void free_pinned(void*) noexcept {}
void copy_to_device(void*, const void*, size_t, Stream) {
  no_cuda("copy_to_device");
}
void copy_to_host(void*, const void*, size_t, Stream) {
  no_cuda("copy_to_host");
}
void copy_to_device_async(void*, const void*, size_t, Stream) {
  no_cuda("copy_to_device_async");
}
void copy_to_host_async(void*, const void*, size_t, Stream) {
  no_cuda("copy_to_host_async");
}
void copy_on_device(void*, const void*, size_t, Stream) {
  no_cuda("copy_on_device");
}

}  // namespace kestrel::gpu
