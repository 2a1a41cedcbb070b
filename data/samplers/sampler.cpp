#include <algorithm>
#include <limits>
#include <numeric>

#include <kestrel/data/samplers/sampler.h>
#include <kestrel/kernels/error.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

// A stream that no sample of the epoch has.
Philox sampler_stream(uint64_t seed, uint64_t epoch) {
  return Philox(seed, epoch, std::numeric_limits<uint64_t>::max());
}

}  // namespace

std::vector<int64_t> SequentialSampler::order(uint64_t) const {
  std::vector<int64_t> order(static_cast<size_t>(size_));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::vector<int64_t> RandomSampler::order(uint64_t epoch) const {
  return sampler_stream(seed_, epoch).permutation(size_);
}

GroupSampler::GroupSampler(const Dataset& dataset, int64_t samples_per_gpu, uint64_t seed)
    : groups_(2), samples_per_gpu_(samples_per_gpu), seed_(seed) {
  if (samples_per_gpu < 1) {
    fail<UsageError>("[group_sampler] samples_per_gpu must be at least 1, got ", samples_per_gpu);
  }
  for (int64_t i = 0; i < dataset.size(); ++i) {
    groups_[static_cast<size_t>(dataset.group(i))].push_back(i);
  }
}

std::vector<int64_t> GroupSampler::order(uint64_t epoch) const {
  Philox random = sampler_stream(seed_, epoch);
  std::vector<int64_t> all;
  for (const auto& group : groups_) {
    const auto count = static_cast<int64_t>(group.size());
    for (const int64_t i : random.permutation(count)) all.push_back(group[static_cast<size_t>(i)]);
    const int64_t batches = (count + samples_per_gpu_ - 1) / samples_per_gpu_;
    for (int64_t extra = batches * samples_per_gpu_ - count; extra > 0; --extra) {
      all.push_back(group[static_cast<size_t>(random.integer(0, count))]);
    }
  }
  std::vector<int64_t> order;
  order.reserve(all.size());
  for (const int64_t b : random.permutation(static_cast<int64_t>(all.size()) / samples_per_gpu_)) {
    const auto first = all.begin() + b * samples_per_gpu_;
    order.insert(order.end(), first, first + samples_per_gpu_);
  }
  return order;
}

}  // namespace kestrel
