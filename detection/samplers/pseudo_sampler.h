#pragma once

#include <kestrel/detection/samplers/sampler.h>

namespace kestrel {

struct PseudoSamplerOptions {
  template <class V>
  void visit(V&) {}
};

/// Takes every positive and negative anchor: for heads with a loss that weighs them itself.
class PseudoSampler : public Sampler {
 public:
  explicit PseudoSampler(const PseudoSamplerOptions& = {}) {}
  void sample(AssignResult&) const override {}
};

}  // namespace kestrel
