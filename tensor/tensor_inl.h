#pragma once

#include <cstring>
#include <utility>

#include <kestrel/kernels/device.h>
#include <kestrel/tensor/tensor.h>

namespace kestrel {

template <class T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape) {
  KESTREL_CHECK(static_cast<int64_t>(values.size()) == shape.numel(), "[tensor] ", values.size(),
                " values do not fill shape ", shape);
  Tensor result = empty(shape, dtype_of<T>);
  if (!values.empty()) std::memcpy(result.raw(), values.data(), values.size_bytes());
  return result;
}

template <class T>
const T* Tensor::data() const {
  KESTREL_CHECK(dtype_ == dtype_of<T>, "[tensor] is ", dtype_, ", read as ", dtype_of<T>);
  KESTREL_CHECK(!device().is_cuda(), "[tensor] is on ", device(),
                "; copy it to the CPU to read it");
  return static_cast<const T*>(memory());
}

template <class T>
T Tensor::item() const {
  KESTREL_CHECK(numel() == 1, "[tensor] item() wants one element, got shape ", shape_);
  const Tensor host = to(Device::cpu());
  return visit_any(dtype_, [&]<class S>(S) { return static_cast<T>(*host.data<S>()); });
}

template <class CpuKernel, class GpuKernel, class... Args>
decltype(auto) run(Device device, CpuKernel cpu_kernel, GpuKernel gpu_kernel, Args&&... args) {
  if (device.is_cuda()) {
    return gpu_kernel(std::forward<Args>(args)..., gpu::current_stream(device.index()));
  }
  return cpu_kernel(std::forward<Args>(args)...);
}

}  // namespace kestrel
