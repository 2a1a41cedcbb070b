#include <kestrel/engine/optimizers/adagrad.h>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Optimizer, Adagrad, AdagradOptions, std::vector<ParamGroup>> kAdagrad{
    "Adagrad", "divides by the root of all squares"};

}  // namespace

Adagrad::Adagrad(const AdagradOptions& options, std::vector<ParamGroup> groups)
    : RuleOptimizer(
          std::move(groups),
          {.lr = options.lr,
           .weight_decay = options.weight_decay,
           .states = {"sum"},
           .initial_state = options.initial_accumulator_value},
          AdagradRule{
              .lr_decay = options.lr_decay, .eps = options.eps, .maximize = options.maximize}) {
  check_option(options.lr_decay >= 0, "lr_decay", "at least 0", options.lr_decay);
  check_option(options.initial_accumulator_value >= 0, "initial_accumulator_value", "at least 0",
               options.initial_accumulator_value);
  check_option(options.eps >= 0, "eps", "at least 0", options.eps);
}

}  // namespace kestrel
