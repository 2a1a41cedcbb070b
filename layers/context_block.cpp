#include <kestrel/layers/context_block.h>

#include <algorithm>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/batched_matmul.h>
#include <kestrel/autograd/functions/group_norm.h>
#include <kestrel/autograd/functions/reductions.h>
#include <kestrel/autograd/functions/shape_ops.h>
#include <kestrel/layers/init.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Block, ContextBlock, ContextBlockOptions, int64_t> kContextBlock{
    "ContextBlock", "global context, added to every pixel (GCNet)"};

}  // namespace

/// PyTorch's LayerNorm([channels, 1, 1]).
class ContextBlock::PixelNorm : public Module {
 public:
  explicit PixelNorm(int64_t channels)
      : weight_(add_parameter("weight", Tensor::full({channels, 1, 1}, 1))),
        bias_(add_parameter("bias", Tensor::zeros({channels, 1, 1}))) {}

  /// relu(norm(x)) of x (N, 1, 1, C).
  Variable forward(const Variable& x) {
    const Shape channels{x.size(-1)};
    return autograd::group_norm(x, autograd::reshape(weight_, channels),
                                autograd::reshape(bias_, channels), 1, 1e-5, true);
  }
  void init_weights(Philox&) override {
    init::constant(weight_, 1);
    init::constant(bias_, 0);
  }

 private:
  Variable& weight_;
  Variable& bias_;
};

/// Two convolutions of one pixel with a norm and a ReLU between them: "0", "1" and "3" of a
/// Sequential.
class ContextBlock::Transform : public Module {
 public:
  Transform(int64_t channels, int64_t planes)
      : narrow_(add<Conv2d>("0", Conv2dOptions{.in_channels = channels, .out_channels = planes})),
        norm_(add<PixelNorm>("1", planes)),
        widen_(add<Conv2d>("3", Conv2dOptions{.in_channels = planes, .out_channels = channels})) {}

  Variable forward(const Variable& x) { return widen_.forward(norm_.forward(narrow_.forward(x))); }
  /// At first it gives zero.
  void init_weights(Philox& random) override {
    Module::init_weights(random);
    init::constant(widen_.weight, 0);
    init::constant(widen_.bias, 0);
  }

 private:
  Conv2d& narrow_;
  PixelNorm& norm_;
  Conv2d& widen_;
};

ContextBlock::ContextBlock(const ContextBlockOptions& options, int64_t channels) {
  const auto planes = static_cast<int64_t>(static_cast<double>(channels) * options.ratio);
  if (planes < 1) {
    fail<UsageError>("[context_block] ratio ", options.ratio, " of ", channels,
                     " channels is less than one");
  }
  if (options.fusion_types.empty()) {
    fail<UsageError>("[context_block] fusion_types must name channel_add, channel_mul or both");
  }
  if (options.pooling_type == ContextBlockOptions::Pooling::Attention) {
    conv_mask_ =
        &add<Conv2d>("conv_mask", Conv2dOptions{.in_channels = channels, .out_channels = 1});
  }
  const auto has = [&](ContextBlockOptions::Fusion fusion) {
    return std::ranges::count(options.fusion_types, fusion) > 0;
  };
  if (has(ContextBlockOptions::Fusion::Add)) {
    add_ = &add<Transform>("channel_add_conv", channels, planes);
  }
  if (has(ContextBlockOptions::Fusion::Multiply)) {
    multiply_ = &add<Transform>("channel_mul_conv", channels, planes);
  }
}

Variable ContextBlock::pool(const Variable& x) {
  if (!conv_mask_) return autograd::mean(x, {1, 2}, true);
  const int64_t images = x.size(0), channels = x.size(3), pixels = x.size(1) * x.size(2);
  const Variable mask =
      autograd::softmax(autograd::reshape(conv_mask_->forward(x), {images, 1, pixels}));
  const Variable context =
      autograd::batched_matmul(mask, autograd::reshape(x, {images, pixels, channels}));
  return autograd::reshape(context, {images, 1, 1, channels});
}

Variable ContextBlock::forward(const Variable& x) {
  const Variable context = pool(x);
  Variable y = x;
  if (multiply_) y = y * autograd::sigmoid(multiply_->forward(context));
  if (add_) y = y + add_->forward(context);
  return y;
}

void ContextBlock::init_weights(Philox& random) {
  Module::init_weights(random);
  if (!conv_mask_) return;
  init::kaiming(conv_mask_->weight, 0, init::FanMode::In, init::Distribution::Normal, random);
  init::constant(conv_mask_->bias, 0);
}

std::unique_ptr<Block> make_block(const Config& cfg, int64_t channels) {
  return build<Block, int64_t>(cfg, channels);
}

}  // namespace kestrel
