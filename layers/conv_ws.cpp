#include <kestrel/layers/conv_ws.h>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/conv2d.h>
#include <kestrel/autograd/functions/reductions.h>
#include <kestrel/layers/forward_observer.h>
#include <kestrel/layers/init.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<ConvLayer, ConvWs2d, ConvWsOptions, const Conv2dOptions&> kConvWs{
    "ConvWS", "convolution with standardised weights"};

}  // namespace

ConvWs2d::ConvWs2d(const ConvWsOptions& ws, const Conv2dOptions& o)
    : ConvLayer(
          Tensor::zeros({o.out_channels, o.kernel_size, o.kernel_size, o.in_channels / o.groups}),
          o.bias ? Tensor::zeros({o.out_channels}) : Tensor()),
      eps_(ws.eps),
      options_(o) {}

Variable ConvWs2d::forward(const Variable& x, const ConvEpilogue& epilogue) {
  using namespace autograd;
  return observed(*this, x, [&] {
    const int64_t per_output = weight.numel() / options_.out_channels;
    const std::vector<int> taps{1, 2, 3};
    const Variable centred = weight - mean(weight, taps, true);
    const Variable deviation =
        sqrt(sum(square(centred), taps, true) / static_cast<double>(per_output - 1));
    const Conv2dParams params{.stride_h = options_.stride,
                              .stride_w = options_.stride,
                              .pad_h = options_.padding,
                              .pad_w = options_.padding,
                              .dilation_h = options_.dilation,
                              .dilation_w = options_.dilation,
                              .groups = options_.groups};
    return finish(conv2d(x, centred / (deviation + eps_), bias, params), epilogue);
  });
}

void ConvWs2d::init_weights(Philox& random) {
  init::torch_default(weight, bias, random);
}

}  // namespace kestrel
