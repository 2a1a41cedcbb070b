#include <kestrel/kernels/cuda/staging.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include <kestrel/kernels/cuda/check.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/device.h>
#include <kestrel/kernels/size_class.h>

namespace kestrel::gpu {
namespace {

/// Pinned memory that a stream reads until its event.
struct Block {
  void* memory = nullptr;
  size_t size = 0;
  Event event;
};

class Staging {
 public:
  explicit Staging(int device) : device_(device) {}

  void copy(void* to, const void* from, size_t bytes, Stream stream) {
    const std::lock_guard lock(mutex_);
    Block& block = find(bytes);
    std::memcpy(block.memory, from, bytes);
    copy_to_device_async(to, block.memory, bytes, stream);
    record_event(block.event, stream);
  }

 private:
  /// An idle block that is neither too small nor far too large; a new one where there is none.
  Block& find(size_t bytes) {
    const size_t size = size_class(bytes);
    for (Block& block : blocks_) {
      if (block.size >= size && block.size / 4 <= size && has_passed(block.event)) return block;
    }
    if (total_ + size > kMaxStaged) release();
    blocks_.push_back({allocate_pinned(size), size, create_event(device_)});
    total_ += size;
    return blocks_.back();
  }

  void release() {
    for (Block& block : blocks_) {
      synchronize(block.event);
      destroy_event(block.event);
      free_pinned(block.memory);
    }
    blocks_.clear();
    total_ = 0;
  }

  int device_;
  std::mutex mutex_;
  std::vector<Block> blocks_;
  size_t total_ = 0;
};

Staging& staging(int device) {
  // Never destroyed: tensors with static storage may be copied late.
  static auto* all = [] {
    auto* result = new std::vector<std::unique_ptr<Staging>>;
    for (int i = 0; i < device_count(); ++i) result->push_back(std::make_unique<Staging>(i));
    return result;
  }();
  return *(*all)[static_cast<size_t>(device)];
}

}  // namespace

void copy_staged(void* to, const void* from, size_t bytes, Stream stream) {
  if (bytes == 0) return;
  use_device(stream.device);
  staging(stream.device).copy(to, from, bytes, stream);
}

}  // namespace kestrel::gpu
