#include <kestrel/layers/conv_module.h>

#include <kestrel/layers/init.h>

namespace kestrel {

ConvModule::ConvModule(const ConvModuleOptions& options)
    : conv(add<Conv2d>("conv", Conv2dOptions{.in_channels = options.in_channels,
                                             .out_channels = options.out_channels,
                                             .kernel_size = options.kernel_size,
                                             .stride = options.stride,
                                             .padding = options.padding,
                                             .dilation = options.dilation,
                                             .groups = options.groups,
                                             .bias = options.bias.value_or(!options.norm_cfg)})),
      relu_(options.relu) {
  if (options.norm_cfg) {
    norm_ =
        &adopt(norm_name(*options.norm_cfg), make_norm(options.out_channels, *options.norm_cfg));
  }
}

Variable ConvModule::forward(const Variable& x) {
  return conv.forward(x, {.norm = norm_, .relu = relu_});
}

void ConvModule::init_weights(Philox& random) {
  init::kaiming(conv.weight, 0, init::FanMode::Out, init::Distribution::Normal, random);
  if (conv.bias) init::constant(conv.bias, 0);
  if (norm_) norm_->init_weights(random);
}

}  // namespace kestrel
