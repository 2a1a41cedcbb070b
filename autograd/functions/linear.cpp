#include <kestrel/autograd/functions/linear.h>

#include <kestrel/kernels/channels.h>
#include <kestrel/kernels/matmul.h>

namespace kestrel::autograd {

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  KESTREL_CHECK(weight.shape().dims() == 2 && x.shape().dims() >= 1 && x.size(-1) == weight.size(1),
                "[linear] weight must be (out, in) and x (..., in), got ", weight.shape(), " and ",
                x.shape());
  KESTREL_CHECK(!bias || bias.numel() == weight.size(0), "[linear] bias must be (", weight.size(0),
                "), got ", bias.shape());
  check_same_device("linear", x.data(), weight.data());
  const DType dtype =
      autocast_enabled() && x.dtype() == DType::Float32 ? DType::BFloat16 : x.dtype();
  const int64_t rows = x.size(-1) ? x.numel() / x.size(-1) : x.numel();
  const Tensor input = x.data().to(dtype).reshape({rows, x.size(-1)});
  const Tensor matrix = weight.data().to(dtype);
  Shape shape = x.shape();
  shape[-1] = weight.size(0);
  Tensor output = Tensor::empty({rows, weight.size(0)}, dtype, x.device());
  run(x.device(), cpu::matmul, gpu::matmul, input.view(), matrix.view(), output.view(),
      MatmulParams{.trans_b = true, .bias = bias.view()});

  const DType weight_dtype = weight.dtype();
  const DType bias_dtype = bias ? bias.dtype() : weight_dtype;
  return record("linear", {x, weight, bias}, output.reshape(shape),
                [=, x_shape = x.shape()](std::span<Tensor> grads, const NeedsGrad& needs) {
                  const Device device = input.device();
                  const Tensor grad = grads[0].reshape({rows, matrix.size(0)});
                  Tensor grad_x, grad_weight, grad_bias;
                  if (needs[0]) {
                    grad_x = Tensor::empty(x_shape, dtype, device);
                    run(device, cpu::matmul, gpu::matmul, grad.view(), matrix.view(),
                        grad_x.reshape({rows, matrix.size(1)}).view(), MatmulParams{});
                  }
                  if (needs[1]) {
                    grad_weight = Tensor::empty(matrix.shape(), weight_dtype, device);
                    run(device, cpu::matmul, gpu::matmul, grad.view(), input.view(),
                        grad_weight.view(), MatmulParams{.trans_a = true});
                  }
                  if (needs[2]) {
                    grad_bias = Tensor::empty({matrix.size(0)}, bias_dtype, device);
                    run(device, cpu::sum_channels, gpu::sum_channels, grad.view(),
                        grad_bias.view());
                  }
                  return std::vector<Tensor>{grad_x, grad_weight, grad_bias};
                });
}

}  // namespace kestrel::autograd
