#pragma once

#include <cstdint>
#include <vector>

#include <kestrel/detection/assigners/assigner.h>

namespace kestrel {

/// Anchors that take part in the loss, in ascending order.
struct SamplingResult {
  std::vector<int64_t> positives;
  std::vector<int64_t> negatives;
};

class Sampler {
 public:
  virtual ~Sampler() = default;
  virtual SamplingResult sample(const AssignResult& assigned) const = 0;
};

}  // namespace kestrel
