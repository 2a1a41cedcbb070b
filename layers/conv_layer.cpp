#include <kestrel/layers/conv_layer.h>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/layers/conv2d.h>
#include <kestrel/registry/registry.h>

namespace kestrel {

ConvLayer::ConvLayer(Tensor initial_weight, Tensor initial_bias)
    : weight(add_parameter("weight", std::move(initial_weight))),
      bias(add_parameter("bias", std::move(initial_bias))) {}

Variable finish(const Variable& y, const ConvEpilogue& epilogue) {
  if (epilogue.norm) return epilogue.norm->forward(y, epilogue.relu, epilogue.residual);
  const Variable sum = epilogue.residual ? autograd::add(y, epilogue.residual) : y;
  return epilogue.relu ? autograd::relu(sum) : sum;
}

std::unique_ptr<ConvLayer> make_conv(const Config& conv_cfg, const Conv2dOptions& options) {
  if (conv_cfg.is_null()) return std::make_unique<Conv2d>(options);
  return build<ConvLayer, const Conv2dOptions&>(conv_cfg, options);
}

}  // namespace kestrel
