#include <kestrel/engine/optimizers/adamax.h>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Optimizer, Adamax, AdamaxOptions, std::vector<ParamGroup>> kAdamax{
    "Adamax", "Adam by the largest gradient"};

}  // namespace

Adamax::Adamax(const AdamaxOptions& options, std::vector<ParamGroup> groups)
    : RuleOptimizer(
          std::move(groups),
          {.lr = options.lr,
           .weight_decay = options.weight_decay,
           .momentum = options.betas.first,
           .states = {"exp_avg", "exp_inf"}},
          AdamaxRule{
              .beta2 = options.betas.second, .eps = options.eps, .maximize = options.maximize}) {
  check_betas(options.betas, options.eps);
}

}  // namespace kestrel
