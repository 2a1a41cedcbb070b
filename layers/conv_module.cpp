#include <kestrel/layers/conv_module.h>

#include <algorithm>

#include <kestrel/layers/init.h>
#include <kestrel/registry/options.h>

namespace kestrel {
namespace {

Conv2dOptions conv_options(const ConvModuleOptions& o) {
  return {.in_channels = o.in_channels,
          .out_channels = o.out_channels,
          .kernel_size = o.kernel_size,
          .stride = o.stride,
          .padding = o.padding,
          .dilation = o.dilation,
          .groups = o.groups,
          .bias = o.bias.value.value_or(!o.norm_cfg)};
}

/// What mmcv's ConvModule has and this one does not.
void refuse(const ConvModuleOptions& o) {
  if (o.with_spectral_norm) {
    fail<UsageError>("[conv_module] with_spectral_norm is not supported; leave it out");
  }
  if (o.padding_mode != "zeros") {
    fail<UsageError>("[conv_module] padding_mode must be zeros, got '", o.padding_mode, "'");
  }
  for (const char* step : {"conv", "norm", "act"}) {
    if (o.order.size() != 3 || std::ranges::count(o.order, step) != 1) {
      std::string given;
      for (const std::string& name : o.order) given += (given.empty() ? "" : ", ") + name;
      fail<UsageError>("[conv_module] order must have conv, norm and act, each once, got (", given,
                       ")");
    }
  }
}

ConvModuleOptions depthwise(const DepthwiseSeparableConvModuleOptions& o) {
  ConvModuleOptions result = o.conv;
  result.out_channels = result.groups = result.in_channels;
  result.norm_cfg = o.dw_norm_cfg.value_or(o.conv.norm_cfg);
  result.act_cfg = o.dw_act_cfg.value_or(o.conv.act_cfg);
  return result;
}

ConvModuleOptions pointwise(const DepthwiseSeparableConvModuleOptions& o) {
  ConvModuleOptions result = o.conv;
  result.kernel_size = result.stride = result.dilation = 1;
  result.padding = 0;
  result.norm_cfg = o.pw_norm_cfg.value_or(o.conv.norm_cfg);
  result.act_cfg = o.pw_act_cfg.value_or(o.conv.act_cfg);
  return result;
}

}  // namespace

void AutoBias::read(const Config& node) {
  value.reset();
  if (node.is_string() && node.as_string() == "auto") return;
  if (node.kind() != Config::Kind::Bool) {
    node.fail("bias must be auto, true or false, got " + node.describe());
  }
  value = node.as_bool();
}

Config AutoBias::write() const {
  return value ? Config(*value) : Config("auto");
}

ConvModule::ConvModule(const ConvModuleOptions& options)
    : conv(adopt("conv", make_conv(options.conv_cfg, conv_options(options)))) {
  refuse(options);
  const auto place = [&](const char* step) {
    return std::ranges::find(options.order, step) - options.order.begin();
  };
  if (options.norm_cfg) {
    const bool after = place("norm") > place("conv");
    auto norm = make_norm(after ? options.out_channels : options.in_channels, *options.norm_cfg);
    const std::string name = norm->abbreviation();
    norm_ = &adopt(name, std::move(norm));
  }
  if (!options.act_cfg.is_null()) {
    activate_ = &adopt("activate", make_activation(options.act_cfg));
    if (options.act_cfg.at("type").as_string() == "LeakyReLU") {
      const Config* slope = options.act_cfg.find("negative_slope");
      slope_ = slope ? slope->as_float() : 0.01;
    }
  }
  for (const std::string& step : options.order) {
    if (step == "conv") steps_.push_back(Step::Conv);
    if (step == "norm" && norm_) steps_.push_back(Step::Norm);
    if (step == "act" && activate_) steps_.push_back(Step::Act);
  }
}

Variable ConvModule::forward(const Variable& x, bool activate) {
  Variable y = x;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const auto next = [&](Step step) {
      const bool follows = i + 1 < steps_.size() && steps_[i + 1] == step;
      i += follows ? 1 : 0;
      return follows;
    };
    const auto next_is_relu = [&] {
      return activate && activate_ && activate_->is_relu() && next(Step::Act);
    };
    switch (steps_[i]) {
      case Step::Conv: {
        Norm* norm = next(Step::Norm) ? norm_ : nullptr;
        y = conv.forward(y, {.norm = norm, .relu = next_is_relu()});
        break;
      }
      case Step::Norm:
        y = norm_->forward(y, next_is_relu());
        break;
      case Step::Act:
        if (activate) y = activate_->forward(y);
        break;
    }
  }
  return y;
}

void ConvModule::init_weights(Philox& random) {
  if (conv.has_own_init()) {
    conv.init_weights(random);
  } else {
    init::kaiming(conv.weight, slope_, init::FanMode::Out, init::Distribution::Normal, random);
    if (conv.bias) init::constant(conv.bias, 0);
  }
  if (norm_) norm_->init_weights(random);
  if (activate_) activate_->init_weights(random);
}

DepthwiseSeparableConvModule::DepthwiseSeparableConvModule(
    const DepthwiseSeparableConvModuleOptions& options)
    : depthwise_conv(add<ConvModule>("depthwise_conv", depthwise(options))),
      pointwise_conv(add<ConvModule>("pointwise_conv", pointwise(options))) {
  KESTREL_CHECK(options.conv.groups == 1,
                "[depthwise_separable_conv_module] has no groups but its own, got ",
                options.conv.groups);
}

Variable DepthwiseSeparableConvModule::forward(const Variable& x) {
  return pointwise_conv.forward(depthwise_conv.forward(x));
}

}  // namespace kestrel
