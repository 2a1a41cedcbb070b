#include <kestrel/tensor/device.h>

#include <kestrel/kernels/device.h>

namespace kestrel {

int Device::cuda_count() {
  return gpu::device_count();
}

Device Device::best() {
  return cuda_count() > 0 ? cuda(0) : cpu();
}

}  // namespace kestrel
