#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <kestrel/kernels/cuda/check.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/device.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/size_class.h>

namespace kestrel::gpu {
namespace {

bool caches() {
  static const bool on = [] {
    const char* text = std::getenv("KESTREL_CUDA_CACHE");
    return !text || std::string(text) != "0";
  }();
  return on;
}

/// The memory of one device.
class DeviceAllocator {
 public:
  explicit DeviceAllocator(int device) : device_(device) {}

  void* allocate(size_t bytes) {
    void* stream = current_stream(device_).handle;
    const std::lock_guard lock(mutex_);
    // Without the cache exactly what was asked for, so that an overflow is seen to the byte.
    const size_t size = caches_for(stream) ? size_class(bytes) : std::max<size_t>(bytes, 1);
    std::vector<void*>& free_blocks = cache_[{stream, size}];
    void* memory = nullptr;
    if (!free_blocks.empty()) {
      memory = free_blocks.back();
      free_blocks.pop_back();
      stats_.cached -= size;
    } else {
      memory = from_device(size);
      if (!memory) {
        release_unkept();
        memory = from_device(size);
      }
      if (!memory) fail_out_of_memory(bytes);
    }
    owners_[memory] = {stream, size};
    stats_.used += size;
    stats_.peak = std::max(stats_.peak, stats_.used);
    return memory;
  }

  void deallocate(void* memory) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = owners_.find(memory);
    if (found == owners_.end()) return;
    const Owner owner = found->second;
    owners_.erase(found);
    stats_.used -= owner.size;
    if (!caches_for(owner.stream)) {
      cudaFree(memory);
      return;
    }
    cache_[{owner.stream, owner.size}].push_back(memory);
    stats_.cached += owner.size;
  }

  void release() {
    const std::lock_guard lock(mutex_);
    release_unkept();
  }

  void keep(void* stream) {
    const std::lock_guard lock(mutex_);
    kept_.insert(stream);
  }
  void forget(void* stream) {
    const std::lock_guard lock(mutex_);
    kept_.erase(stream);
    release_locked([&](void* other) { return other == stream; });
  }

  DeviceMemoryStats stats() {
    const std::lock_guard lock(mutex_);
    DeviceMemoryStats result = stats_;
    use_device(device_);
    CUDA_CHECK(cudaMemGetInfo(&result.free, &result.total));
    return result;
  }

 private:
  struct Owner {
    void* stream;
    size_t size;
  };

  void* from_device(size_t size) {
    use_device(device_);
    void* memory = nullptr;
    if (cudaMalloc(&memory, size) == cudaSuccess) return memory;
    cudaGetLastError();
    return nullptr;
  }

  bool caches_for(void* stream) const { return caches() || kept_.contains(stream); }

  void release_unkept() {
    release_locked([&](void* stream) { return !kept_.contains(stream); });
  }
  /// Gives back the cached blocks of the streams that f(stream) chooses.
  template <class F>
  void release_locked(F f) {
    for (auto& [key, blocks] : cache_) {
      if (!f(key.first)) continue;
      for (void* memory : blocks) cudaFree(memory);
      stats_.cached -= key.second * blocks.size();
      blocks.clear();
    }
  }

  [[noreturn]] void fail_out_of_memory(size_t bytes) {
    size_t free = 0;
    size_t total = 0;
    CUDA_CHECK(cudaMemGetInfo(&free, &total));
    fail<OutOfMemoryError>("[cuda:", device_, "] ", bytes, " bytes were asked for; tensors use ",
                           stats_.used, ", the device has ", free, " of ", total,
                           " left; use a smaller batch or image size, or --amp");
  }

  int device_;
  std::mutex mutex_;
  std::map<std::pair<void*, size_t>, std::vector<void*>> cache_;  // by stream and size class
  std::unordered_map<void*, Owner> owners_;
  std::set<void*> kept_;  // streams
  DeviceMemoryStats stats_;
};

DeviceAllocator& allocator(int device) {
  // Never destroyed: tensors with static storage may outlive it otherwise.
  static auto* allocators = [] {
    auto* all = new std::vector<std::unique_ptr<DeviceAllocator>>;
    for (int i = 0; i < device_count(); ++i) all->push_back(std::make_unique<DeviceAllocator>(i));
    return all;
  }();
  KESTREL_CHECK(device >= 0 && static_cast<size_t>(device) < allocators->size(),
                "[cuda] there is no device ", device, "; this machine has ", allocators->size());
  return *(*allocators)[static_cast<size_t>(device)];
}

}  // namespace

void* allocate(size_t bytes, int device) {
  return allocator(device).allocate(bytes);
}
void deallocate(void* memory, size_t, int device) noexcept {
  allocator(device).deallocate(memory);
}
DeviceMemoryStats memory_stats(int device) {
  return allocator(device).stats();
}
void release_cached_memory(int device) {
  allocator(device).release();
}
void keep_memory(Stream stream) {
  allocator(stream.device).keep(stream.handle);
}
void forget_memory(Stream stream) {
  allocator(stream.device).forget(stream.handle);
}

}  // namespace kestrel::gpu
