#include <kestrel/engine/optimizers/nadam.h>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Optimizer, NAdam, NAdamOptions, std::vector<ParamGroup>> kNAdam{
    "NAdam", "Adam with Nesterov's momentum"};

}  // namespace

NAdam::NAdam(const NAdamOptions& options, std::vector<ParamGroup> groups)
    : RuleOptimizer(std::move(groups),
                    {.lr = options.lr,
                     .weight_decay = options.weight_decay,
                     .momentum = options.betas.first,
                     .states = {"exp_avg", "exp_avg_sq"},
                     .momentum_decay = options.momentum_decay},
                    NAdamRule{.beta2 = options.betas.second,
                              .eps = options.eps,
                              .momentum_decay = options.momentum_decay,
                              .decoupled_weight_decay = options.decoupled_weight_decay,
                              .maximize = options.maximize}) {
  check_betas(options.betas, options.eps);
  check_option(options.momentum_decay >= 0, "momentum_decay", "at least 0", options.momentum_decay);
}

}  // namespace kestrel
