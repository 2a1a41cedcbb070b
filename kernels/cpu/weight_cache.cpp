#include <kestrel/kernels/cpu/weight_cache.h>

#include <list>
#include <mutex>

#include <kestrel/kernels/cpu/scratch.h>

namespace kestrel::cpu {
namespace {

struct Entry {
  uint64_t key;
  Packing packing;
  uint64_t variant;
  int64_t floats;
  std::shared_ptr<const float> data;
};

/// Recently used entries first. A model has some hundred, so a search is a walk.
struct Cache {
  static constexpr int64_t kMaxFloats = int64_t{192} << 20;  // 768 MiB

  std::mutex mutex;
  std::list<Entry> entries;
  int64_t floats = 0;
};

Cache& cache() {
  static Cache instance;
  return instance;
}

}  // namespace

PackedWeights packed_weights(uint64_t key, Packing packing, uint64_t variant, int64_t floats,
                             const std::function<void(float*)>& pack) {
  if (key == 0) {
    float* data = scratch(Scratch::Weights, floats);
    pack(data);
    return {data, nullptr};
  }
  Cache& c = cache();
  {
    const std::lock_guard lock(c.mutex);
    for (auto it = c.entries.begin(); it != c.entries.end(); ++it) {
      if (it->key == key && it->packing == packing && it->variant == variant &&
          it->floats == floats) {
        c.entries.splice(c.entries.begin(), c.entries, it);
        return {it->data.get(), it->data};
      }
    }
  }
  AlignedFloats memory = allocate_floats(floats > 0 ? floats : 1);
  pack(memory.get());
  std::shared_ptr<const float> data = std::move(memory);
  const std::lock_guard lock(c.mutex);
  c.entries.push_front({key, packing, variant, floats, data});
  c.floats += floats;
  while (c.floats > Cache::kMaxFloats && c.entries.size() > 1) {
    c.floats -= c.entries.back().floats;
    c.entries.pop_back();
  }
  return {data.get(), data};
}

void forget_weights(uint64_t key) {
  Cache& c = cache();
  const std::lock_guard lock(c.mutex);
  for (auto it = c.entries.begin(); it != c.entries.end();) {
    if (it->key == key) {
      c.floats -= it->floats;
      it = c.entries.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace kestrel::cpu
