#include <kestrel/engine/optimizers/rmsprop.h>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Optimizer, RMSprop, RMSpropOptions, std::vector<ParamGroup>> kRMSprop{
    "RMSprop", "divides by the root of the mean square"};

}  // namespace

RMSprop::RMSprop(const RMSpropOptions& options, std::vector<ParamGroup> groups)
    : RuleOptimizer(std::move(groups),
                    {.lr = options.lr,
                     .weight_decay = options.weight_decay,
                     .momentum = options.momentum,
                     .states = options.centered
                                   ? std::vector<std::string>{"square_avg", "grad_avg", "momentum"}
                                   : std::vector<std::string>{"square_avg", "momentum"}},
                    RMSpropRule{.alpha = options.alpha,
                                .eps = options.eps,
                                .centered = options.centered,
                                .maximize = options.maximize}) {
  check_option(options.alpha >= 0, "alpha", "at least 0", options.alpha);
  check_option(options.eps >= 0, "eps", "at least 0", options.eps);
}

}  // namespace kestrel
