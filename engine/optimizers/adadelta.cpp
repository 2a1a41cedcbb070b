#include <kestrel/engine/optimizers/adadelta.h>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Optimizer, Adadelta, AdadeltaOptions, std::vector<ParamGroup>> kAdadelta{
    "Adadelta", "steps as large as the steps before"};

}  // namespace

Adadelta::Adadelta(const AdadeltaOptions& options, std::vector<ParamGroup> groups)
    : RuleOptimizer(
          std::move(groups),
          {.lr = options.lr,
           .weight_decay = options.weight_decay,
           .states = {"square_avg", "acc_delta"}},
          AdadeltaRule{.rho = options.rho, .eps = options.eps, .maximize = options.maximize}) {
  check_option(options.rho >= 0 && options.rho <= 1, "rho", "between 0 and 1", options.rho);
  check_option(options.eps >= 0, "eps", "at least 0", options.eps);
}

}  // namespace kestrel
