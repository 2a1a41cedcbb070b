#include <kestrel/layers/norm.h>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/batch_norm.h>
#include <kestrel/autograd/functions/group_norm.h>
#include <kestrel/layers/forward_observer.h>
#include <kestrel/layers/init.h>

namespace kestrel {

BatchNorm2d::BatchNorm2d(int64_t channels, const NormOptions& options)
    : weight(add_parameter("weight", Tensor::full({channels}, 1), options.requires_grad)),
      bias(add_parameter("bias", Tensor::zeros({channels}), options.requires_grad)),
      running_mean(add_buffer("running_mean", Tensor::zeros({channels}))),
      running_var(add_buffer("running_var", Tensor::full({channels}, 1))),
      options_(options) {}

Variable BatchNorm2d::forward(const Variable& x, bool relu, const Variable& residual) {
  return observed(*this, x, [&] {
    return autograd::batch_norm(x, weight, bias, running_mean, running_var,
                                {.training = !uses_running_stats(),
                                 .momentum = options_.momentum,
                                 .eps = options_.eps,
                                 .relu = relu},
                                residual);
  });
}

void BatchNorm2d::init_weights(Philox&) {
  init::constant(weight, 1);
  init::constant(bias, 0);
}

GroupNorm::GroupNorm(int64_t channels, const NormOptions& options)
    : weight(add_parameter("weight", Tensor::full({channels}, 1), options.requires_grad)),
      bias(add_parameter("bias", Tensor::zeros({channels}), options.requires_grad)),
      options_(options) {
  KESTREL_CHECK(options.num_groups > 0 && channels % options.num_groups == 0, "[group_norm] ",
                channels, " channels do not divide into ", options.num_groups, " groups");
}

Variable GroupNorm::forward(const Variable& x, bool relu, const Variable& residual) {
  return observed(*this, x, [&] {
    if (!residual) {
      return autograd::group_norm(x, weight, bias, options_.num_groups, options_.eps, relu);
    }
    const Variable sum = autograd::add(
        autograd::group_norm(x, weight, bias, options_.num_groups, options_.eps), residual);
    return relu ? autograd::relu(sum) : sum;
  });
}

void GroupNorm::init_weights(Philox&) {
  init::constant(weight, 1);
  init::constant(bias, 0);
}

std::unique_ptr<Norm> make_norm(int64_t channels, const NormOptions& options) {
  if (options.type == "BN") return std::make_unique<BatchNorm2d>(channels, options);
  if (options.type == "GN") return std::make_unique<GroupNorm>(channels, options);
  fail<UsageError>("[norm] type '", options.type, "' is not known; there are BN and GN");
}

std::string norm_name(const NormOptions& options) {
  return options.type == "GN" ? "gn" : "bn";
}

}  // namespace kestrel
