#include <kestrel/autograd/functions/batch_norm.h>

#include <kestrel/kernels/batch_norm.h>

namespace kestrel::autograd {
namespace {

DType statistic_dtype(DType dtype) {
  return dtype == DType::Float64 ? DType::Float64 : DType::Float32;
}

}  // namespace

Variable batch_norm(const Variable& x, const Variable& weight, const Variable& bias,
                    Tensor& running_mean, Tensor& running_var, const BatchNormOptions& options,
                    const Variable& residual) {
  const Device device = x.device();
  const int64_t channels = x.size(-1);
  Tensor mean = running_mean, variance = running_var;
  if (options.training) {
    mean = Tensor::empty({channels}, statistic_dtype(x.dtype()), device);
    variance = Tensor::empty({channels}, statistic_dtype(x.dtype()), device);
    run(device, cpu::batch_norm_statistics, gpu::batch_norm_statistics, x.view(), mean.view(),
        variance.view());
    if (running_mean || running_var) {
      run(device, cpu::batch_norm_update, gpu::batch_norm_update, mean.view(), variance.view(),
          channels ? x.numel() / channels : 0, options.momentum, running_mean.view(),
          running_var.view());
    }
  } else {
    KESTREL_CHECK(mean && variance,
                  "[batch_norm] evaluation needs running_mean and running_var; pass them, or "
                  "training = true");
  }

  const BatchNormParams params{options.eps, options.relu, options.training};
  Tensor y = Tensor::empty(x.shape(), x.dtype(), device);
  run(device, cpu::batch_norm_forward, gpu::batch_norm_forward, x.view(), mean.view(),
      variance.view(), weight.view(), bias.view(), residual.view(), y.view(), params);
  if (!wants_grad({&x, &weight, &bias, &residual})) return Variable(std::move(y));

  if (!options.training) {
    // The caller's running statistics may change before backward comes.
    mean = mean.clone();
    variance = variance.clone();
  }
  return record("batch_norm", {x, weight, bias, residual}, y,
                [x = x.data(), y = options.relu ? y : Tensor(), mean, variance,
                 weight = weight.data(), params](std::span<Tensor> grads, const NeedsGrad& needs) {
                  Tensor& grad = grads[0];
                  Tensor grad_x, grad_weight, grad_bias, grad_residual;
                  if (needs[1]) grad_weight = Tensor::empty_like(mean);
                  if (needs[2]) grad_bias = Tensor::empty_like(mean);
                  const bool masked_residual = needs[3] && params.relu;
                  const bool in_place = grad.unique();
                  if (needs[0]) grad_x = in_place && !needs[3] ? grad : Tensor::empty_like(grad);
                  if (masked_residual) grad_residual = in_place ? grad : Tensor::empty_like(grad);
                  run(grad.device(), cpu::batch_norm_backward, gpu::batch_norm_backward, x.view(),
                      y.view(), grad.cview(), mean.view(), variance.view(), weight.view(),
                      grad_x.view(), grad_residual.view(), grad_weight.view(), grad_bias.view(),
                      params);
                  if (needs[3] && !params.relu) grad_residual = grad;
                  return std::vector<Tensor>{grad_x, grad_weight, grad_bias, grad_residual};
                });
}

}  // namespace kestrel::autograd
