#include <kestrel/detection/backbones/resnet.h>

#include <algorithm>
#include <array>
#include <cmath>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/pooling.h>
#include <kestrel/detection/init_cfg.h>
#include <kestrel/layers/activation.h>
#include <kestrel/layers/block.h>
#include <kestrel/layers/init.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Backbone, ResNet, ResNetOptions> kResNet{"ResNet",
                                                            "residual network of 18 to 152 layers"};
const Registration<Backbone, ResNeXt, ResNeXtOptions> kResNeXt{
    "ResNeXt", "residual network with grouped 3x3 convolutions"};

struct Architecture {
  int64_t depth;
  bool bottleneck;
  std::array<int64_t, 4> blocks;
};

constexpr std::array<Architecture, 5> kArchitectures = {{{18, false, {2, 2, 2, 2}},
                                                         {34, false, {3, 4, 6, 3}},
                                                         {50, true, {3, 4, 6, 3}},
                                                         {101, true, {3, 4, 23, 3}},
                                                         {152, true, {3, 8, 36, 3}}}};

const Architecture& architecture_of(int64_t depth) {
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.depth == depth) return architecture;
  }
  fail<UsageError>("[resnet] depth must be 18, 34, 50, 101 or 152, got ", depth);
}

struct BlockOptions {
  int64_t in_channels = 0;
  int64_t planes = 0;
  int64_t stride = 1;
  int64_t dilation = 1;
  bool caffe = false;
  std::optional<DcnOptions> dcn = {};
  NormOptions norm_cfg;
  std::vector<ResNetPlugin> plugins = {};
  int64_t groups = 1;          ///< Of a bottleneck's 3x3.
  double relative_width = 1;   ///< Channels of a group, in planes, where there are several.
  bool first_of_stage = true;  ///< Its input may be an output of the backbone.

  /// Channels inside a bottleneck.
  int64_t width() const {
    if (groups == 1) return planes;
    return static_cast<int64_t>(std::floor(static_cast<double>(planes) * relative_width)) * groups;
  }
};

/// A 1x1 convolution and norm on the shortcut, under "downsample.0" and "downsample.1".
class Downsample : public Module {
 public:
  Downsample(const BlockOptions& options, int64_t out_channels)
      : conv_(add<Conv2d>("0", Conv2dOptions{.in_channels = options.in_channels,
                                             .out_channels = out_channels,
                                             .stride = options.stride,
                                             .bias = false})),
        norm_(add<BatchNorm2d>("1", out_channels, options.norm_cfg)) {}

  Variable forward(const Variable& x) { return conv_.forward(x, {.norm = &norm_}); }

 private:
  Conv2d& conv_;
  BatchNorm2d& norm_;
};

class BasicBlock : public ResidualBlock {
 public:
  static constexpr int64_t kExpansion = 1;

  explicit BasicBlock(const BlockOptions& o)
      : conv1_(add<Conv2d>("conv1", Conv2dOptions{.in_channels = o.in_channels,
                                                  .out_channels = o.planes,
                                                  .kernel_size = 3,
                                                  .stride = o.stride,
                                                  .padding = o.dilation,
                                                  .dilation = o.dilation,
                                                  .bias = false})),
        bn1_(add<BatchNorm2d>("bn1", o.planes, o.norm_cfg)),
        conv2_(add<Conv2d>("conv2", Conv2dOptions{.in_channels = o.planes,
                                                  .out_channels = o.planes,
                                                  .kernel_size = 3,
                                                  .padding = 1,
                                                  .bias = false})),
        bn2_(add<BatchNorm2d>("bn2", o.planes, o.norm_cfg)) {
    if (o.stride != 1 || o.in_channels != o.planes) {
      downsample_ = &add<Downsample>("downsample", o, o.planes);
    }
    residual_is_spare_ = downsample_ != nullptr || !o.first_of_stage;
  }

  Variable forward(const Variable& x) override {
    const Variable y = conv1_.forward(x, {.norm = &bn1_, .relu = true});
    const Variable identity = downsample_ ? downsample_->forward(x) : x;
    return conv2_.forward(y, {.norm = &bn2_,
                              .relu = true,
                              .residual = identity,
                              .residual_is_spare = residual_is_spare_});
  }
  BatchNorm2d& last_norm() override { return bn2_; }

 private:
  Conv2d& conv1_;
  BatchNorm2d& bn1_;
  Conv2d& conv2_;
  BatchNorm2d& bn2_;
  Downsample* downsample_ = nullptr;
  bool residual_is_spare_ = false;
};

/// The blocks of a bottleneck that follow one of its convolutions.
class Plugins {
 public:
  void push(Block& block) { blocks_.push_back(&block); }
  bool empty() const { return blocks_.empty(); }
  Variable forward(const Variable& x) const {
    Variable y = x;
    for (Block* block : blocks_) y = block->forward(y);
    return y;
  }

 private:
  std::vector<Block*> blocks_;
};

class Bottleneck : public ResidualBlock {
 public:
  static constexpr int64_t kExpansion = 4;

  explicit Bottleneck(const BlockOptions& o)
      : conv1_(add<Conv2d>("conv1", Conv2dOptions{.in_channels = o.in_channels,
                                                  .out_channels = o.width(),
                                                  .stride = o.caffe ? o.stride : 1,
                                                  .bias = false})),
        bn1_(add<BatchNorm2d>("bn1", o.width(), o.norm_cfg)),
        conv2_(adopt("conv2", make_conv2(o))),
        bn2_(add<BatchNorm2d>("bn2", o.width(), o.norm_cfg)),
        conv3_(add<Conv2d>("conv3", Conv2dOptions{.in_channels = o.width(),
                                                  .out_channels = o.planes * kExpansion,
                                                  .bias = false})),
        bn3_(add<BatchNorm2d>("bn3", o.planes * kExpansion, o.norm_cfg)) {
    if (o.stride != 1 || o.in_channels != o.planes * kExpansion) {
      downsample_ = &add<Downsample>("downsample", o, o.planes * kExpansion);
    }
    residual_is_spare_ = downsample_ != nullptr || !o.first_of_stage;
    for (const ResNetPlugin& plugin : o.plugins) add_plugin(plugin, o.planes, o.width());
  }

  Variable forward(const Variable& x) override {
    Variable y = conv1_.forward(x, {.norm = &bn1_, .relu = true});
    y = after(Position::AfterConv1).forward(y);
    y = conv2_.forward(y, {.norm = &bn2_, .relu = true});
    y = after(Position::AfterConv2).forward(y);
    const Variable identity = downsample_ ? downsample_->forward(x) : x;
    const Plugins& last = after(Position::AfterConv3);
    if (last.empty()) {
      return conv3_.forward(y, {.norm = &bn3_,
                                .relu = true,
                                .residual = identity,
                                .residual_is_spare = residual_is_spare_});
    }
    return autograd::relu(last.forward(conv3_.forward(y, {.norm = &bn3_})) + identity);
  }
  BatchNorm2d& last_norm() override { return bn3_; }

 private:
  using Position = ResNetPlugin::Position;

  Plugins& after(Position position) { return plugins_[static_cast<size_t>(position)]; }

  static std::unique_ptr<ConvLayer> make_conv2(const BlockOptions& o) {
    const Conv2dOptions options{.in_channels = o.width(),
                                .out_channels = o.width(),
                                .kernel_size = 3,
                                .stride = o.caffe ? 1 : o.stride,
                                .padding = o.dilation,
                                .dilation = o.dilation,
                                .groups = o.groups,
                                .bias = false};
    if (!o.dcn) return make_conv({}, options);
    Config dcn = layer_config(o.dcn->type == DeformConvType::DCN ? "DCN" : "DCNv2");
    dcn.set("deform_groups", o.dcn->deform_groups);
    return make_conv(dcn, options);
  }

  void add_plugin(const ResNetPlugin& plugin, int64_t planes, int64_t width) {
    Config cfg = plugin.cfg;
    std::string postfix;
    if (const Config* given = cfg.find("postfix")) {
      postfix = given->is_string() ? given->as_string() : std::to_string(given->as_int());
      cfg.erase("postfix");
    }
    auto block =
        make_block(cfg, plugin.position == Position::AfterConv3 ? planes * kExpansion : width);
    const std::string name = block->abbreviation() + postfix;
    after(plugin.position).push(adopt(name, std::move(block)));
  }

  Conv2d& conv1_;
  BatchNorm2d& bn1_;
  ConvLayer& conv2_;
  BatchNorm2d& bn2_;
  Conv2d& conv3_;
  BatchNorm2d& bn3_;
  Downsample* downsample_ = nullptr;
  bool residual_is_spare_ = false;
  std::array<Plugins, 3> plugins_;
};

}  // namespace

ResNet::ResNet(const ResNetOptions& options) : ResNet(options, 1, 0) {}

ResNet::ResNet(const ResNetOptions& options, int64_t groups, int64_t base_width)
    : options_(options),
      conv1_(add<Conv2d>(
          "conv1", Conv2dOptions{.in_channels = options.in_channels,
                                 .out_channels = options.stem_channels ? options.stem_channels
                                                                       : options.base_channels,
                                 .kernel_size = 7,
                                 .stride = 2,
                                 .padding = 3,
                                 .bias = false})),
      bn1_(add<BatchNorm2d>("bn1", conv1_.options().out_channels, options.norm_cfg)) {
  const Architecture& architecture = architecture_of(options.depth);
  const auto stage_count = static_cast<size_t>(options.num_stages);
  check_init_cfg(options.init_cfg);
  if (options.style != "pytorch" && options.style != "caffe") {
    fail<UsageError>("[resnet] style must be pytorch or caffe, got '", options.style, "'");
  }
  if (stage_count < 1 || stage_count > 4 || options.strides.size() < stage_count ||
      options.dilations.size() < stage_count) {
    fail<UsageError>("[resnet] num_stages must be 1 to 4, with a stride and a dilation each, got ",
                     options.num_stages);
  }
  if (options.dcn && !architecture.bottleneck) {
    fail<UsageError>("[resnet] dcn needs bottlenecks: depth 50, 101 or 152, got ", options.depth);
  }
  if (options.dcn && options.stage_with_dcn.size() < stage_count) {
    fail<UsageError>("[resnet] stage_with_dcn must say true or false for each of ", stage_count,
                     " stages, got ", options.stage_with_dcn.size());
  }
  if (!options.plugins.empty() && !architecture.bottleneck) {
    fail<UsageError>("[resnet] plugins need bottlenecks: depth 50, 101 or 152, got ",
                     options.depth);
  }
  for (const ResNetPlugin& plugin : options.plugins) {
    if (!plugin.stages.empty() && plugin.stages.size() != stage_count) {
      fail<UsageError>("[resnet] a plugin's stages must say true or false for each of ",
                       stage_count, " stages, got ", plugin.stages.size());
    }
  }
  for (const int64_t index : options.out_indices) {
    if (index < 0 || index >= options.num_stages) {
      fail<UsageError>("[resnet] out_indices must name stages 0 to ", options.num_stages - 1,
                       ", got ", index);
    }
  }
  int64_t in_channels = conv1_.options().out_channels;
  std::optional<DcnOptions> dcn = options.dcn;
  for (size_t s = 0; s < stage_count; ++s) {
    auto& stage = add<ModuleList<ResidualBlock>>("layer" + std::to_string(s + 1));
    stages_.push_back(&stage);
    BlockOptions block{.in_channels = in_channels,
                       .planes = options.base_channels << s,
                       .stride = options.strides[s],
                       .dilation = options.dilations[s],
                       .caffe = options.style == "caffe",
                       .norm_cfg = options.norm_cfg,
                       .groups = groups,
                       .relative_width = static_cast<double>(base_width) /
                                         static_cast<double>(options.base_channels)};
    for (const ResNetPlugin& plugin : options.plugins) {
      if (plugin.stages.empty() || plugin.stages[s]) block.plugins.push_back(plugin);
    }
    in_channels =
        block.planes * (architecture.bottleneck ? Bottleneck::kExpansion : BasicBlock::kExpansion);
    for (int64_t b = 0; b < architecture.blocks[s]; ++b) {
      block.dcn.reset();
      if (dcn && options.stage_with_dcn[s]) {
        if (!dcn->fallback_on_stride) block.dcn = dcn;
        dcn->fallback_on_stride = false;
      }
      if (architecture.bottleneck) {
        stage.push(std::make_unique<Bottleneck>(block));
      } else {
        stage.push(std::make_unique<BasicBlock>(block));
      }
      block.in_channels = in_channels;
      block.stride = 1;
      block.first_of_stage = false;
    }
    if (std::ranges::count(options.out_indices, static_cast<int64_t>(s))) {
      out_channels_.push_back(in_channels);
    }
  }
  freeze();
}

std::vector<Module*> ResNet::frozen_modules() const {
  std::vector<Module*> frozen;
  if (options_.frozen_stages >= 0) frozen = {&conv1_, &bn1_};
  for (int64_t s = 0; s < std::min<int64_t>(options_.frozen_stages, options_.num_stages); ++s) {
    frozen.push_back(stages_[static_cast<size_t>(s)]);
  }
  return frozen;
}

void ResNet::freeze() {
  for (Module* module : frozen_modules()) {
    for (Variable& parameter : module->parameters()) parameter.set_requires_grad(false);
    module->eval();
  }
}

void ResNet::on_train(bool on) {
  if (!on) return;
  for (Module* module : frozen_modules()) module->eval();
  if (!options_.norm_eval) return;
  for (auto& [name, module] : named_modules()) {
    if (auto* norm = dynamic_cast<Norm*>(module)) norm->eval();
  }
}

std::vector<Variable> ResNet::forward(const Variable& images) {
  Variable x = conv1_.forward(images, {.norm = &bn1_, .relu = true});
  x = autograd::max_pool2d(x, {.kernel = 3, .stride = 2, .pad = 1});
  std::vector<Variable> outputs;
  for (size_t s = 0; s < stages_.size(); ++s) {
    for (ResidualBlock* block : *stages_[s]) {
      if (options_.with_cp && block->training() && autograd::grad_enabled()) {
        x = autograd::checkpoint(
            [block](const std::vector<Variable>& in) {
              return std::vector<Variable>{block->forward(in[0])};
            },
            {x})[0];
      } else {
        x = block->forward(x);
      }
    }
    if (std::ranges::count(options_.out_indices, static_cast<int64_t>(s))) {
      outputs.push_back(outputs.size() < first_needed ? Variable() : x);
    }
  }
  return outputs;
}

void ResNet::init_weights(Philox& random) {
  if (init_by_config(*this, options_.init_cfg, random)) return;
  for (auto& [name, module] : named_modules()) {
    if (auto* conv = dynamic_cast<Conv2d*>(module)) {
      init::kaiming(conv->weight, 0, init::FanMode::Out, init::Distribution::Normal, random);
    } else if (auto* norm = dynamic_cast<Norm*>(module)) {
      norm->init_weights(random);
    }
  }
  for (auto& [name, module] : named_modules()) {
    auto* conv = dynamic_cast<ConvLayer*>(module);
    if ((conv && conv->has_own_init()) || dynamic_cast<Block*>(module)) {
      module->init_weights(random);
    }
  }
  if (!options_.zero_init_residual) return;
  for (auto* stage : stages_) {
    for (ResidualBlock* block : *stage) init::constant(block->last_norm().weight, 0);
  }
}

ResNeXt::ResNeXt(const ResNeXtOptions& options)
    : ResNet(checked(options), options.groups, options.base_width) {}

const ResNetOptions& ResNeXt::checked(const ResNeXtOptions& options) {
  if (!architecture_of(options.resnet.depth).bottleneck) {
    fail<UsageError>("[resnext] depth must be 50, 101 or 152, got ", options.resnet.depth);
  }
  if (options.groups < 1 || options.base_width < 1) {
    fail<UsageError>("[resnext] groups and base_width must be positive, got ", options.groups,
                     " and ", options.base_width);
  }
  return options.resnet;
}

}  // namespace kestrel
