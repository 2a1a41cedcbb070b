#include <kestrel/layers/deform_conv2d.h>

#include <cmath>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/deform_conv2d.h>
#include <kestrel/autograd/functions/shape_ops.h>
#include <kestrel/layers/forward_observer.h>
#include <kestrel/layers/init.h>

namespace kestrel {
namespace {

Tensor make_weight(const char* layer, const DeformConv2dOptions& o) {
  KESTREL_CHECK(o.groups >= 1 && o.deform_groups >= 1 && o.in_channels % o.groups == 0 &&
                    o.out_channels % o.groups == 0 && o.in_channels % o.deform_groups == 0,
                "[", layer, "] ", o.in_channels, " to ", o.out_channels,
                " channels do not divide into ", o.groups, " groups and ", o.deform_groups,
                " deformable groups");
  return Tensor::zeros({o.out_channels, o.kernel_size, o.kernel_size, o.in_channels / o.groups});
}

DeformConv2dParams params_of(const DeformConv2dOptions& options) {
  return {.stride_h = options.stride,
          .stride_w = options.stride,
          .pad_h = options.padding,
          .pad_w = options.padding,
          .dilation_h = options.dilation,
          .dilation_w = options.dilation,
          .groups = options.groups,
          .deform_groups = options.deform_groups};
}

/// The convolution that predicts so many values per sample.
Conv2dOptions conv_offset_of(const DeformConv2dOptions& options, int64_t values) {
  return {.in_channels = options.in_channels,
          .out_channels = values * options.samples(),
          .kernel_size = options.kernel_size,
          .stride = options.stride,
          .padding = options.padding,
          .dilation = options.dilation};
}

void zero(Conv2d& conv) {
  init::constant(conv.weight, 0);
  init::constant(conv.bias, 0);
}

}  // namespace

DeformConv2d::DeformConv2d(const DeformConv2dOptions& options)
    : weight(add_parameter("weight", make_weight("deform_conv2d", options))), options_(options) {
  KESTREL_CHECK(!options.bias.value_or(false),
                "[deform_conv2d] version 1 has no bias; leave it out, or take version 2");
}

Variable DeformConv2d::forward(const Variable& x, const Variable& offset) {
  return observed(*this, x, [&] {
    return autograd::deform_conv2d(x, offset, {}, weight, {}, params_of(options_));
  });
}

void DeformConv2d::init_weights(Philox& random) {
  init::kaiming(weight, 0, init::FanMode::In, init::Distribution::Uniform, random);
}

ModulatedDeformConv2d::ModulatedDeformConv2d(const DeformConv2dOptions& options)
    : weight(add_parameter("weight", make_weight("modulated_deform_conv2d", options))),
      bias(add_parameter(
          "bias", options.bias.value_or(true) ? Tensor::zeros({options.out_channels}) : Tensor())),
      options_(options) {}

Variable ModulatedDeformConv2d::forward(const Variable& x, const Variable& offset,
                                        const Variable& mask) {
  return observed(*this, x, [&] {
    return autograd::deform_conv2d(x, offset, mask, weight, bias, params_of(options_));
  });
}

void ModulatedDeformConv2d::init_weights(Philox& random) {
  const double bound = 1 / std::sqrt(static_cast<double>(
                               options_.in_channels * options_.kernel_size * options_.kernel_size));
  init::uniform(weight, -bound, bound, random);
  if (bias) init::constant(bias, 0);
}

DeformConv2dPack::DeformConv2dPack(const DeformConv2dOptions& options)
    : DeformConv2d(options), conv_offset_(add<Conv2d>("conv_offset", conv_offset_of(options, 2))) {}

Variable DeformConv2dPack::forward(const Variable& x) {
  return DeformConv2d::forward(x, conv_offset_.forward(x));
}

void DeformConv2dPack::init_weights(Philox& random) {
  DeformConv2d::init_weights(random);
  zero(conv_offset_);
}

ModulatedDeformConv2dPack::ModulatedDeformConv2dPack(const DeformConv2dOptions& options)
    : ModulatedDeformConv2d(options),
      conv_offset_(add<Conv2d>("conv_offset", conv_offset_of(options, 3))) {}

Variable ModulatedDeformConv2dPack::forward(const Variable& x) {
  const Variable predicted = conv_offset_.forward(x);
  const int64_t samples = options().samples();
  return ModulatedDeformConv2d::forward(
      x, autograd::narrow(predicted, -1, 0, 2 * samples),
      autograd::sigmoid(autograd::narrow(predicted, -1, 2 * samples, 3 * samples)));
}

void ModulatedDeformConv2dPack::init_weights(Philox& random) {
  ModulatedDeformConv2d::init_weights(random);
  zero(conv_offset_);
}

}  // namespace kestrel
