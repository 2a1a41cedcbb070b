#include <kestrel/autograd/functions/group_norm.h>

#include <kestrel/kernels/group_norm.h>

namespace kestrel::autograd {

Variable group_norm(const Variable& x, const Variable& weight, const Variable& bias, int64_t groups,
                    double eps, bool relu) {
  const GroupNormParams params{groups, eps, relu};
  const Device device = x.device();
  const DType dtype = x.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  Tensor y = Tensor::empty(x.shape(), x.dtype(), device);
  Tensor mean = Tensor::empty({x.size(0), groups}, dtype, device);
  Tensor rstd = Tensor::empty({x.size(0), groups}, dtype, device);
  run(device, cpu::group_norm_forward, gpu::group_norm_forward, x.view(), weight.view(),
      bias.view(), y.view(), mean.view(), rstd.view(), params);
  if (!wants_grad({&x, &weight, &bias})) return Variable(std::move(y));
  return record("group_norm", {x, weight, bias}, y,
                [x = x.data(), y = relu ? y : Tensor(), mean, rstd, weight = weight.data(), dtype,
                 params](std::span<Tensor> grads, const NeedsGrad& needs) {
                  Tensor& grad = grads[0];
                  Tensor grad_x, grad_weight, grad_bias;
                  if (needs[0]) {
                    grad_x = grad.unique() ? grad : Tensor::empty_like(grad);
                  }
                  if (needs[1]) grad_weight = Tensor::empty({x.size(-1)}, dtype, grad.device());
                  if (needs[2]) grad_bias = Tensor::empty({x.size(-1)}, dtype, grad.device());
                  run(grad.device(), cpu::group_norm_backward, gpu::group_norm_backward, x.view(),
                      y.view(), grad.cview(), mean.view(), rstd.view(), weight.view(),
                      grad_x.view(), grad_weight.view(), grad_bias.view(), params);
                  return std::vector<Tensor>{grad_x, grad_weight, grad_bias};
                });
}

}  // namespace kestrel::autograd
