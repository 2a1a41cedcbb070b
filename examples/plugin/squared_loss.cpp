#include "squared_loss.h"

#include <algorithm>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/reductions.h>
#include <kestrel/autograd/functions/shape_ops.h>
#include <kestrel/registry/plugin.h>

KESTREL_PLUGIN;

namespace {

const kestrel::Registration<kestrel::RegressionLoss, SquaredLoss, SquaredLossOptions> kSquaredLoss{
    "SquaredLoss", "squared differences"};

}  // namespace

kestrel::Variable SquaredLoss::forward(const kestrel::Variable& pred, const kestrel::Tensor& target,
                                       const kestrel::Tensor& weights,
                                       const kestrel::Tensor& avg_factor) const {
  namespace op = kestrel::autograd;
  using kestrel::Variable;
  const Variable difference = op::subtract(pred, Variable(target));
  Variable squares = op::multiply(difference, difference);
  if (weights.defined()) {
    squares = op::multiply(squares, op::reshape(Variable(weights), {weights.numel(), 1}));
  }
  const double divisor = avg_factor.defined() ? avg_factor.to(kestrel::Device::cpu()).item<double>()
                                              : static_cast<double>(pred.numel());
  return op::scale(op::sum(squares), options_.loss_weight / std::max(divisor, 1e-12));
}
