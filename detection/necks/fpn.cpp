#include <kestrel/detection/necks/fpn.h>

#include <utility>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/pooling.h>
#include <kestrel/autograd/functions/upsample.h>
#include <kestrel/detection/init_cfg.h>
#include <kestrel/layers/init.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Neck, FPN, FPNOptions> kFPN{"FPN", "feature pyramid"};

FPNOptions checked(FPNOptions options) {
  const auto levels = static_cast<int64_t>(options.in_channels.size());
  if (options.end_level == -1) options.end_level = levels - 1;
  if (options.start_level < 0 || options.start_level > options.end_level ||
      options.end_level >= levels) {
    fail<UsageError>("[fpn] start_level ", options.start_level, " and end_level ",
                     options.end_level, " do not choose from ", levels, " levels of in_channels");
  }
  const int64_t used = options.end_level - options.start_level + 1;
  if (options.num_outs < used) {
    fail<UsageError>("[fpn] num_outs ", options.num_outs, " is less than the ", used,
                     " levels that are used");
  }
  if (options.end_level < levels - 1 && options.num_outs != used) {
    fail<UsageError>("[fpn] num_outs must be ", used, " where end_level ", options.end_level,
                     " leaves out the last of ", levels, " levels, got ", options.num_outs);
  }
  const std::string& extra = options.add_extra_convs.source;
  if (!extra.empty() && extra != "on_input" && extra != "on_lateral" && extra != "on_output") {
    fail<UsageError>(
        "[fpn] add_extra_convs must be on_input, on_lateral, on_output or absent, got '", extra,
        "'");
  }
  check_init_cfg(options.init_cfg);
  return options;
}

}  // namespace

void ExtraConvs::read(const Config& node) {
  if (node.kind() == Config::Kind::Bool) {
    source = node.as_bool() ? "on_input" : "";
  } else {
    source = node.as_string();
  }
}

Config ExtraConvs::write() const {
  return source.empty() ? Config(false) : Config(source);
}

FPN::FPN(const FPNOptions& options)
    : options_(checked(options)),
      lateral_convs_(add<ModuleList<ConvModule>>("lateral_convs")),
      fpn_convs_(add<ModuleList<ConvModule>>("fpn_convs")) {
  for (int64_t i = options_.start_level; i <= options_.end_level; ++i) {
    lateral_convs_.emplace(ConvModuleOptions{
        .in_channels = options_.in_channels[static_cast<size_t>(i)],
        .out_channels = options_.out_channels,
        .norm_cfg = options_.no_norm_on_lateral ? std::nullopt : options_.norm_cfg,
        .act_cfg = {}});
    fpn_convs_.emplace(ConvModuleOptions{.in_channels = options_.out_channels,
                                         .out_channels = options_.out_channels,
                                         .kernel_size = 3,
                                         .padding = 1,
                                         .norm_cfg = options_.norm_cfg,
                                         .act_cfg = {}});
  }
  if (options_.add_extra_convs.source.empty()) return;
  int64_t in_channels = options_.add_extra_convs.source == "on_input"
                            ? options_.in_channels[static_cast<size_t>(options_.end_level)]
                            : options_.out_channels;
  while (static_cast<int64_t>(fpn_convs_.size()) < options_.num_outs) {
    fpn_convs_.emplace(ConvModuleOptions{.in_channels = in_channels,
                                         .out_channels = options_.out_channels,
                                         .kernel_size = 3,
                                         .stride = 2,
                                         .padding = 1,
                                         .norm_cfg = options_.norm_cfg,
                                         .act_cfg = {}});
    in_channels = options_.out_channels;
  }
}

std::vector<Variable> FPN::forward(std::vector<Variable> inputs) {
  KESTREL_CHECK(inputs.size() == options_.in_channels.size(), "[fpn] wants ",
                options_.in_channels.size(), " levels, got ", inputs.size());
  const size_t levels = lateral_convs_.size();
  const auto start = static_cast<size_t>(options_.start_level);
  const std::string& extra = options_.add_extra_convs.source;
  Variable source;  // of the extra convolutions
  if (extra == "on_input") source = inputs[start + levels - 1];
  inputs.erase(inputs.begin(), inputs.begin() + options_.start_level);
  std::vector<Variable> laterals(levels);
  for (size_t i = levels; i-- > 0;) {
    laterals[i] = lateral_convs_[i].forward(std::exchange(inputs[i], {}));
    if (i + 1 < levels) laterals[i] = autograd::upsample_nearest_add(laterals[i + 1], laterals[i]);
  }
  if (extra == "on_lateral") source = laterals.back();
  std::vector<Variable> outputs;
  for (size_t i = 0; i < levels; ++i) {
    outputs.push_back(fpn_convs_[i].forward(std::exchange(laterals[i], {})));
  }

  const auto wanted = static_cast<size_t>(options_.num_outs);
  if (extra.empty()) {
    while (outputs.size() < wanted) {
      outputs.push_back(autograd::max_pool2d(outputs.back(), {.kernel = 1, .stride = 2}));
    }
    return outputs;
  }
  if (extra == "on_output") source = outputs.back();
  for (size_t i = levels; i < wanted; ++i) {
    if (i > levels && options_.relu_before_extra_convs) source = autograd::relu(source);
    source = fpn_convs_[i].forward(source);
    outputs.push_back(source);
  }
  return outputs;
}

void FPN::init_weights(Philox& random) {
  if (init_by_config(*this, options_.init_cfg, random)) return;
  for (auto* convs : {&lateral_convs_, &fpn_convs_}) {
    for (ConvModule* module : *convs) {
      module->init_weights(random);
      init::xavier(module->conv.weight, 1, init::Distribution::Uniform, random);
    }
  }
}

}  // namespace kestrel
