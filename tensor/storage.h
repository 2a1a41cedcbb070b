#pragma once

#include <cstddef>
#include <memory>

#include <kestrel/tensor/device.h>

namespace kestrel {

/// A block of memory on a device, shared by the tensors that view it.
class Storage {
 public:
  /// Uninitialised memory from the device's caching allocator.
  Storage(size_t bytes, Device device);
  /// Memory that somebody else owns, such as a mapped file; `owner` keeps it alive. Without an
  /// owner it has to outlive the storage.
  Storage(void* memory, size_t bytes, std::shared_ptr<const void> owner);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
  Device device_;
  bool allocated_ = true;
  std::shared_ptr<const void> owner_;
};

}  // namespace kestrel
