#include <kestrel/engine/optimizers/radam.h>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Optimizer, RAdam, RAdamOptions, std::vector<ParamGroup>> kRAdam{
    "RAdam", "Adam that waits for the variance to be known"};

}  // namespace

RAdam::RAdam(const RAdamOptions& options, std::vector<ParamGroup> groups)
    : RuleOptimizer(std::move(groups),
                    {.lr = options.lr,
                     .weight_decay = options.weight_decay,
                     .momentum = options.betas.first,
                     .states = {"exp_avg", "exp_avg_sq"}},
                    RAdamRule{.beta2 = options.betas.second,
                              .eps = options.eps,
                              .decoupled_weight_decay = options.decoupled_weight_decay,
                              .maximize = options.maximize}) {
  check_betas(options.betas, options.eps);
}

}  // namespace kestrel
