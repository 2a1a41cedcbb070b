#pragma once

#include <cstdint>
#include <vector>

#include <kestrel/data/datasets/dataset.h>

namespace kestrel {

/// In which order an epoch goes through a data set.
class EpochSampler {
 public:
  virtual ~EpochSampler() = default;
  /// Indices into the data set; the loader cuts them into batches from the front.
  virtual std::vector<int64_t> order(uint64_t epoch) const = 0;
};

/// 0, 1, 2, ...: for evaluation.
class SequentialSampler : public EpochSampler {
 public:
  explicit SequentialSampler(const Dataset& dataset) : size_(dataset.size()) {}
  std::vector<int64_t> order(uint64_t epoch) const override;

 private:
  int64_t size_;
};

/// All images in a random order, whatever their shapes.
class RandomSampler : public EpochSampler {
 public:
  RandomSampler(const Dataset& dataset, uint64_t seed) : size_(dataset.size()), seed_(seed) {}
  std::vector<int64_t> order(uint64_t epoch) const override;

 private:
  int64_t size_;
  uint64_t seed_;
};

/// MMDetection's GroupSampler: batches of upright or of wide images only. Each group is shuffled
/// and filled up with random repeats of its images to whole batches; then the batches are shuffled.
class GroupSampler : public EpochSampler {
 public:
  GroupSampler(const Dataset& dataset, int64_t samples_per_gpu, uint64_t seed);
  std::vector<int64_t> order(uint64_t epoch) const override;

 private:
  std::vector<std::vector<int64_t>> groups_;
  int64_t samples_per_gpu_;
  uint64_t seed_;
};

}  // namespace kestrel
