#include <kestrel/autograd/functions/conv2d.h>

#include <kestrel/kernels/channels.h>
#include <kestrel/kernels/unary.h>

namespace kestrel::autograd {
namespace {

int64_t output_side(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  const int64_t room = in + 2 * pad - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

/// The dtype to compute in: that of x, or bfloat16 under Autocast.
DType compute_dtype(const Variable& x) {
  return autocast_enabled() && x.dtype() == DType::Float32 ? DType::BFloat16 : x.dtype();
}

/// Gradient of what came before the ReLU, in the memory of `grad` where nobody else has it.
Tensor through_relu(const Tensor& output, Tensor grad) {
  Tensor masked = grad.unique() ? grad : Tensor::empty_like(grad);
  run(grad.device(), cpu::unary_backward, gpu::unary_backward, output.view(), grad.cview(),
      masked.view(), UnaryParams{UnaryOp::Relu});
  return masked;
}

}  // namespace

Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias,
                const Conv2dParams& params, const Variable& residual, bool residual_is_spare) {
  KESTREL_CHECK(x.data().dims() == 4, "[conv2d] x must be (N, H, W, C), got ", x.shape());
  KESTREL_CHECK(weight.data().dims() == 4, "[conv2d] weight must be (O, kh, kw, C / groups), got ",
                weight.shape());
  check_same_device("conv2d", x.data(), weight.data());
  KESTREL_CHECK(!params.weight_scale || !x.device().is_cuda(),
                "[conv2d] weight_scale is the CPU's");
  const DType dtype = compute_dtype(x);
  const Tensor input = x.data().to(dtype);
  const Tensor kernel = weight.data().to(dtype);
  const Tensor skip = residual.data().to(dtype);
  const Shape shape = {
      x.size(0),
      output_side(x.size(1), weight.size(1), params.stride_h, params.pad_h, params.dilation_h),
      output_side(x.size(2), weight.size(2), params.stride_w, params.pad_w, params.dilation_w),
      weight.size(0)};
  const bool in_place = residual_is_spare && skip && skip.shape() == shape &&
                        !wants_grad({&x, &weight, &bias, &residual});
  Tensor output = in_place ? skip : Tensor::empty(shape, dtype, x.device());
  run(x.device(), cpu::conv2d_forward, gpu::conv2d_forward, input.view(), kernel.view(),
      bias.view(), skip.view(), output.view(), params);

  const DType weight_dtype = weight.dtype();
  const DType bias_dtype = bias ? bias.dtype() : weight_dtype;
  const Tensor saved_output = params.relu ? output : Tensor();
  return record("conv2d", {x, weight, bias, residual}, output,
                [=](std::span<Tensor> grads, const NeedsGrad& needs) -> std::vector<Tensor> {
                  Tensor grad = std::move(grads[0]);
                  if (params.relu) grad = through_relu(saved_output, std::move(grad));
                  Tensor grad_x;
                  Tensor grad_weight;
                  Tensor grad_bias;
                  if (needs[0]) {
                    grad_x = Tensor::empty(input.shape(), dtype, input.device());
                    run(input.device(), cpu::conv2d_backward_data, gpu::conv2d_backward_data,
                        grad.cview(), kernel.view(), grad_x.view(), params);
                  }
                  if (needs[1] || needs[2]) {
                    grad_weight = Tensor::empty(kernel.shape(), weight_dtype, input.device());
                    if (needs[2])
                      grad_bias = Tensor::empty({kernel.size(0)}, bias_dtype, input.device());
                    run(input.device(), cpu::conv2d_backward_weights, gpu::conv2d_backward_weights,
                        input.view(), grad.cview(), grad_weight.view(), grad_bias.view(), params);
                  }
                  return {grad_x, grad_weight, grad_bias, needs[3] ? grad : Tensor()};
                });
}

Variable conv_transpose2d(const Variable& x, const Variable& weight, const Variable& bias,
                          const ConvTranspose2dParams& params) {
  KESTREL_CHECK(x.data().dims() == 4, "[conv_transpose2d] x must be (N, H, W, I), got ", x.shape());
  KESTREL_CHECK(weight.data().dims() == 4 && weight.size(0) == x.size(3),
                "[conv_transpose2d] weight must be (", x.size(3), ", kh, kw, O / groups), got ",
                weight.shape());
  check_same_device("conv_transpose2d", x.data(), weight.data());
  const DType dtype = compute_dtype(x);
  const Tensor input = x.data().to(dtype);
  const Tensor kernel = weight.data().to(dtype);
  const auto side = [&](int64_t in, int64_t k) {
    return (in - 1) * params.stride - 2 * params.padding + params.dilation * (k - 1) +
           params.output_padding + 1;
  };
  const int64_t out_channels = weight.size(3) * params.groups;
  Tensor output = Tensor::empty(
      {x.size(0), side(x.size(1), weight.size(1)), side(x.size(2), weight.size(2)), out_channels},
      dtype, x.device());
  const Conv2dParams conv{.stride_h = params.stride,
                          .stride_w = params.stride,
                          .pad_h = params.padding,
                          .pad_w = params.padding,
                          .dilation_h = params.dilation,
                          .dilation_w = params.dilation,
                          .groups = params.groups};
  run(x.device(), cpu::conv2d_backward_data, gpu::conv2d_backward_data, input.view(), kernel.view(),
      output.view(), conv);
  if (bias) {
    run(x.device(), cpu::add_channels, gpu::add_channels, output.cview(), bias.view(),
        output.view());
  }
  const DType weight_dtype = weight.dtype();
  const DType bias_dtype = bias ? bias.dtype() : weight_dtype;
  return record("conv_transpose2d", {x, weight, bias}, output,
                [=](std::span<Tensor> grads, const NeedsGrad& needs) -> std::vector<Tensor> {
                  const Tensor grad = grads[0];
                  Tensor grad_x;
                  Tensor grad_weight;
                  Tensor grad_bias;
                  if (needs[0]) {
                    grad_x = Tensor::empty(input.shape(), dtype, input.device());
                    run(input.device(), cpu::conv2d_forward, gpu::conv2d_forward, grad.view(),
                        kernel.view(), ConstView{}, ConstView{}, grad_x.view(), conv);
                  }
                  if (needs[1]) {
                    grad_weight = Tensor::empty(kernel.shape(), weight_dtype, input.device());
                    run(input.device(), cpu::conv2d_backward_weights, gpu::conv2d_backward_weights,
                        grad.view(), input.view(), grad_weight.view(), View{}, conv);
                  }
                  if (needs[2]) {
                    grad_bias = Tensor::empty({out_channels}, bias_dtype, input.device());
                    run(input.device(), cpu::sum_channels, gpu::sum_channels, grad.view(),
                        grad_bias.view());
                  }
                  return {grad_x, grad_weight, grad_bias};
                });
}

}  // namespace kestrel::autograd
