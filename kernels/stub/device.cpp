#include <kestrel/kernels/device.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

int device_count() {
  return 0;
}
Stream current_stream(int) {
  no_cuda("current_stream");
}
void* allocate(size_t, int) {
  no_cuda("allocate");
}
void deallocate(void*, size_t, int) noexcept {}
void copy_to_device(void*, const void*, size_t, Stream) {
  no_cuda("copy_to_device");
}
void copy_to_host(void*, const void*, size_t, Stream) {
  no_cuda("copy_to_host");
}
void copy_on_device(void*, const void*, size_t, Stream) {
  no_cuda("copy_on_device");
}

}  // namespace kestrel::gpu
