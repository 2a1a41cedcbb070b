#include <kestrel/tensor/storage.h>

#include <utility>

#include <kestrel/kernels/device.h>
#include <kestrel/tensor/allocator.h>

namespace kestrel {

Storage::Storage(size_t bytes, Device device) : bytes_(bytes), device_(device) {
  data_ = device.is_cuda() ? gpu::allocate(bytes, device.index()) : allocate_host(bytes);
}

Storage::Storage(void* memory, size_t bytes, std::shared_ptr<const void> owner)
    : data_(memory), bytes_(bytes), allocated_(false), owner_(std::move(owner)) {}

Storage::~Storage() {
  if (!allocated_) return;
  if (device_.is_cuda()) {
    gpu::deallocate(data_, bytes_, device_.index());
  } else {
    free_host(data_, bytes_);
  }
}

}  // namespace kestrel
