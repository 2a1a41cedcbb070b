#include <kestrel/detection/samplers/pseudo_sampler.h>

namespace kestrel {
namespace {

const Registration<Sampler, PseudoSampler, PseudoSamplerOptions> kPseudoSampler{"PseudoSampler"};

}  // namespace

SamplingResult PseudoSampler::sample(const AssignResult& assigned) const {
  SamplingResult result;
  const auto values = assigned.assigned.values<int64_t>();
  result.negatives.reserve(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] > 0) result.positives.push_back(static_cast<int64_t>(i));
    if (values[i] == 0) result.negatives.push_back(static_cast<int64_t>(i));
  }
  return result;
}

}  // namespace kestrel
