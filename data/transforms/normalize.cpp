#include <cmath>

#include <kestrel/data/transforms/normalize.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, Normalize, NormalizeOptions> kNormalize{
    "Normalize", "takes off the mean and divides by the deviation of the channels"};

}  // namespace

Normalize::Normalize(NormalizeOptions options) : options_(options) {
  for (size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(options_.mean[c]) || !std::isfinite(options_.std[c]) ||
        options_.std[c] == 0) {
      fail<UsageError>("[normalize] mean must be finite and std not 0, got ", options_.mean[c],
                       " and ", options_.std[c]);
    }
  }
}

bool Normalize::apply(Sample& sample, Philox&) const {
  if (sample.padded()) fail<UsageError>("[normalize] must come before Pad: padding is with zeros");
  sample.normalize({options_.mean, options_.std, !options_.to_rgb});
  return true;
}

}  // namespace kestrel
