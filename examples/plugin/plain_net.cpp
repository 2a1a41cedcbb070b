#include "plain_net.h"

#include <string>

#include <kestrel/registry/registry.h>

namespace {

constexpr size_t kOutputs = 3;

const kestrel::Registration<kestrel::Backbone, PlainNet, PlainNetOptions> kPlainNet{
    "PlainNet", "a convolution of stride 2 for every stage"};

}  // namespace

PlainNet::PlainNet(const PlainNetOptions& options) {
  if (options.num_stages < static_cast<int64_t>(kOutputs)) {
    kestrel::fail<kestrel::UsageError>("[plain_net] num_stages must be 3 or more, got ",
                                       options.num_stages);
  }
  int64_t channels = 3;
  for (int64_t i = 0; i < options.num_stages; ++i) {
    const int64_t out = options.base_channels << i;
    kestrel::ConvModuleOptions conv;
    conv.in_channels = channels;
    conv.out_channels = out;
    conv.kernel_size = 3;
    conv.stride = 2;
    conv.padding = 1;
    conv.norm_cfg = kestrel::NormOptions{};
    stages_.push_back(&add<kestrel::ConvModule>("stage" + std::to_string(i), conv));
    channels = out;
    if (i + static_cast<int64_t>(kOutputs) >= options.num_stages) out_channels_.push_back(out);
  }
}

std::vector<kestrel::Variable> PlainNet::forward(const kestrel::Variable& images) {
  std::vector<kestrel::Variable> outputs;
  kestrel::Variable x = images;
  for (size_t i = 0; i < stages_.size(); ++i) {
    x = stages_[i]->forward(x);
    if (i + kOutputs >= stages_.size()) outputs.push_back(x);
  }
  return outputs;
}
