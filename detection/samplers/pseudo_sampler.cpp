#include <kestrel/detection/samplers/pseudo_sampler.h>

namespace kestrel {
namespace {

const Registration<Sampler, PseudoSampler, PseudoSamplerOptions> kPseudoSampler{"PseudoSampler"};

}  // namespace
}  // namespace kestrel
