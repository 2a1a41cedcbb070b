#include "weight_limit_hook.h"

#include <cmath>

#include <kestrel/registry/registry.h>

namespace {

const kestrel::Registration<kestrel::Hook, WeightLimitHook, WeightLimitOptions, kestrel::Module&>
    kWeightLimit{"WeightLimitHook", "ends a run whose weights become too large"};

}  // namespace

WeightLimitHook::WeightLimitHook(const WeightLimitOptions& options, kestrel::Module& model)
    : options_(options), model_(model) {
  if (options_.interval < 1) {
    kestrel::fail<kestrel::UsageError>("[weight_limit] interval must be 1 or more, got ",
                                       options_.interval);
  }
}

void WeightLimitHook::after_iter(kestrel::Runner& /*runner*/) {
  if (++iterations_ % options_.interval != 0) return;
  for (const auto& [name, parameter] : model_.named_parameters()) {
    const kestrel::Tensor values = parameter.data().to(kestrel::Device::cpu());
    for (const float value : values.values<float>()) {
      if (std::abs(static_cast<double>(value)) > options_.limit) {
        kestrel::fail("[weight_limit] ", name, " has a weight of ", value, ", the limit is ",
                      options_.limit);
      }
    }
  }
}
