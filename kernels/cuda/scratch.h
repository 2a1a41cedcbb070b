#pragma once

#include <cstddef>
#include <cstdint>

#include <kestrel/kernels/device.h>

namespace kestrel::gpu {

/// Device memory for the time of one operator: `count` values of T, uninitialised. May be destroyed
/// while kernels queued on its stream still use it: the allocator hands it out again in that
/// stream's order.
template <class T>
class Scratch {
 public:
  Scratch(int64_t count, Stream stream)
      : bytes_(static_cast<size_t>(count) * sizeof(T)),
        device_(stream.device),
        data_(static_cast<T*>(allocate(bytes_, device_))) {}
  ~Scratch() { deallocate(data_, bytes_, device_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* get() const { return data_; }

 private:
  size_t bytes_;
  int device_;
  T* data_;
};

}  // namespace kestrel::gpu
