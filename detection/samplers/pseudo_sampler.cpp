#include <kestrel/detection/samplers/pseudo_sampler.h>

namespace kestrel {
namespace {

const Registration<Sampler, PseudoSampler, PseudoSamplerOptions> kPseudoSampler{
    "PseudoSampler", "takes every anchor"};

}  // namespace
}  // namespace kestrel
