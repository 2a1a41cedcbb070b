#include <kestrel/engine/optimizers/adam.h>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Optimizer, Adam, AdamOptions, std::vector<ParamGroup>> kAdam{
    "Adam", "steps by the means of gradients and of their squares"};
const Registration<Optimizer, AdamW, AdamWOptions, std::vector<ParamGroup>> kAdamW{
    "AdamW", "Adam with a weight decay of its own"};

}  // namespace

Adam::Adam(const AdamOptions& options, std::vector<ParamGroup> groups, bool decoupled_weight_decay)
    : RuleOptimizer(std::move(groups),
                    {.lr = options.lr,
                     .weight_decay = options.weight_decay,
                     .momentum = options.betas.first,
                     .states = options.amsgrad ? std::vector<std::string>{"exp_avg", "exp_avg_sq",
                                                                          "max_exp_avg_sq"}
                                               : std::vector<std::string>{"exp_avg", "exp_avg_sq"}},
                    AdamRule{.beta2 = options.betas.second,
                             .eps = options.eps,
                             .amsgrad = options.amsgrad,
                             .decoupled_weight_decay = decoupled_weight_decay,
                             .maximize = options.maximize}) {
  check_betas(options.betas, options.eps);
}

}  // namespace kestrel
