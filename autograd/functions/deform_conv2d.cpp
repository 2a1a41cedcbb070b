#include <kestrel/autograd/functions/deform_conv2d.h>

#include <kestrel/kernels/common/deform_conv2d.h>

namespace kestrel::autograd {

Variable deform_conv2d(const Variable& x, const Variable& offset, const Variable& mask,
                       const Variable& weight, const Variable& bias,
                       const DeformConv2dParams& params) {
  KESTREL_CHECK(x.shape().dims() == 4, "[deform_conv2d] x must be (N, H, W, C), got ", x.shape());
  KESTREL_CHECK(weight.shape().dims() == 4,
                "[deform_conv2d] weight must be (O, kh, kw, C / groups), got ", weight.shape());
  for (const Variable* operand : {&offset, &mask, &weight, &bias}) {
    if (*operand) check_same_device("deform_conv2d", x.data(), operand->data());
  }
  const DType dtype =
      autocast_enabled() && x.dtype() == DType::Float32 ? DType::BFloat16 : x.dtype();
  const DType wide = accumulate_dtype(dtype);
  const Tensor input = x.data().to(dtype);
  const Tensor kernel = weight.data().to(dtype);
  const Tensor places = offset.data().to(wide);
  const Tensor factors = mask.data().to(wide);
  Tensor output = Tensor::empty({x.size(0),
                                 conv2d_output_side(x.size(1), weight.size(1), params.stride_h,
                                                    params.pad_h, params.dilation_h),
                                 conv2d_output_side(x.size(2), weight.size(2), params.stride_w,
                                                    params.pad_w, params.dilation_w),
                                 weight.size(0)},
                                dtype, x.device());
  run(x.device(), cpu::deform_conv2d_forward, gpu::deform_conv2d_forward, input.view(),
      places.view(), factors.view(), kernel.view(), bias.view(), output.view(), params);

  return record("deform_conv2d", {x, offset, mask, weight, bias}, output,
                [=](std::span<Tensor> grads, const NeedsGrad& needs) {
                  const auto like = [&](size_t i, const Shape& shape) {
                    return needs[i] ? Tensor::empty(shape, wide, input.device()) : Tensor();
                  };
                  std::vector<Tensor> result{like(0, input.shape()), like(1, places.shape()),
                                             like(2, factors.shape()), like(3, kernel.shape()),
                                             like(4, {kernel.size(0)})};
                  const DeformConv2dGradients gradients{.input = result[0].view(),
                                                        .offset = result[1].view(),
                                                        .mask = result[2].view(),
                                                        .weight = result[3].view(),
                                                        .bias = result[4].view()};
                  run(input.device(), cpu::deform_conv2d_backward, gpu::deform_conv2d_backward,
                      input.view(), places.view(), factors.view(), kernel.view(), grads[0].cview(),
                      gradients, params);
                  return result;
                });
}

}  // namespace kestrel::autograd
