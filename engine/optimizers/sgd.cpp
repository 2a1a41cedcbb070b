#include <kestrel/engine/optimizers/sgd.h>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Optimizer, SGD, SGDOptions, std::vector<ParamGroup>> kSGD{
    "SGD", "stochastic gradient descent with momentum"};

}  // namespace

SGD::SGD(const SGDOptions& options, std::vector<ParamGroup> groups)
    : RuleOptimizer(std::move(groups),
                    {.lr = options.lr,
                     .weight_decay = options.weight_decay,
                     .momentum = options.momentum,
                     .states = {"momentum"}},
                    SgdRule{.dampening = options.dampening,
                            .nesterov = options.nesterov,
                            .maximize = options.maximize}) {
  if (options.nesterov && (options.momentum == 0 || options.dampening != 0)) {
    fail<UsageError>("[sgd] nesterov needs a momentum and no dampening, got momentum ",
                     options.momentum, " and dampening ", options.dampening);
  }
}

}  // namespace kestrel
