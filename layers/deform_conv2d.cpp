#include <kestrel/layers/deform_conv2d.h>

#include <cmath>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/deform_conv2d.h>
#include <kestrel/autograd/functions/shape_ops.h>
#include <kestrel/layers/forward_observer.h>
#include <kestrel/layers/init.h>
#include <kestrel/registry/registry.h>

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

void refuse_bias(const DeformConv2dOptions& options) {
  KESTREL_CHECK(!options.bias.value_or(false),
                "[deform_conv2d] version 1 has no bias; leave it out, or take version 2");
}

void init_deformable(Variable& weight, Philox& random) {
  init::kaiming(weight, 0, init::FanMode::In, init::Distribution::Uniform, random);
}

void init_modulated(Variable& weight, Variable& bias, const DeformConv2dOptions& o,
                    Philox& random) {
  const double bound =
      1 / std::sqrt(static_cast<double>(o.in_channels * o.kernel_size * o.kernel_size));
  init::uniform(weight, -bound, bound, random);
  if (bias) init::constant(bias, 0);
}

DeformConv2dOptions deformable(const DeformGroupsOptions& groups, const Conv2dOptions& o) {
  return {.in_channels = o.in_channels,
          .out_channels = o.out_channels,
          .kernel_size = o.kernel_size,
          .stride = o.stride,
          .padding = o.padding,
          .dilation = o.dilation,
          .groups = o.groups,
          .deform_groups = groups.deform_groups,
          .bias = o.bias};
}

template <class Pack>
struct ByConfig : Pack {
  ByConfig(const DeformGroupsOptions& groups, const Conv2dOptions& options)
      : Pack(deformable(groups, options)) {}
};
template <class Pack>
using DeformRegistration =
    Registration<ConvLayer, ByConfig<Pack>, DeformGroupsOptions, const Conv2dOptions&>;
const DeformRegistration<DeformConv2dPack> kDcn{"DCN", "deformable convolution"};
const DeformRegistration<ModulatedDeformConv2dPack> kDcnV2{
    "DCNv2", "deformable convolution with a factor for every sample"};

void zero(Conv2d& conv) {
  init::constant(conv.weight, 0);
  init::constant(conv.bias, 0);
}

}  // namespace

DeformConv2d::DeformConv2d(const DeformConv2dOptions& options)
    : weight(add_parameter("weight", make_weight("deform_conv2d", options))), options_(options) {
  refuse_bias(options);
}

Variable DeformConv2d::forward(const Variable& x, const Variable& offset) {
  return observed(*this, x, [&] {
    return autograd::deform_conv2d(x, offset, {}, weight, {}, params_of(options_));
  });
}

void DeformConv2d::init_weights(Philox& random) {
  init_deformable(weight, random);
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
  init_modulated(weight, bias, options_, random);
}

DeformConvPack::DeformConvPack(const DeformConv2dOptions& options, bool with_bias, int64_t values)
    : ConvLayer(make_weight("deform_conv2d", options),
                with_bias ? Tensor::zeros({options.out_channels}) : Tensor()),
      options_(options),
      conv_offset_(add<Conv2d>("conv_offset", conv_offset_of(options, values))) {}

DeformConv2dPack::DeformConv2dPack(const DeformConv2dOptions& options)
    : DeformConvPack(options, false, 2) {
  refuse_bias(options);
}

Variable DeformConv2dPack::forward(const Variable& x, const ConvEpilogue& epilogue) {
  const Variable offset = conv_offset_.forward(x);
  return observed(*this, x, [&] {
    return finish(autograd::deform_conv2d(x, offset, {}, weight, {}, params_of(options_)),
                  epilogue);
  });
}

void DeformConv2dPack::init_weights(Philox& random) {
  init_deformable(weight, random);
  zero(conv_offset_);
}

ModulatedDeformConv2dPack::ModulatedDeformConv2dPack(const DeformConv2dOptions& options)
    : DeformConvPack(options, options.bias.value_or(true), 3) {}

Variable ModulatedDeformConv2dPack::forward(const Variable& x, const ConvEpilogue& epilogue) {
  const Variable predicted = conv_offset_.forward(x);
  const int64_t samples = options_.samples();
  const Variable offset = autograd::narrow(predicted, -1, 0, 2 * samples);
  const Variable mask =
      autograd::sigmoid(autograd::narrow(predicted, -1, 2 * samples, 3 * samples));
  return observed(*this, x, [&] {
    return finish(autograd::deform_conv2d(x, offset, mask, weight, bias, params_of(options_)),
                  epilogue);
  });
}

void ModulatedDeformConv2dPack::init_weights(Philox& random) {
  init_modulated(weight, bias, options_, random);
  zero(conv_offset_);
}

}  // namespace kestrel
