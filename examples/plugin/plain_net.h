#pragma once

#include <vector>

#include <kestrel/detection/backbones/backbone.h>
#include <kestrel/layers/conv_module.h>

struct PlainNetOptions {
  int64_t base_channels = 16;
  int64_t num_stages = 5;

  template <class V>
  void visit(V& v) {
    v("base_channels", base_channels,
      "channels of the first stage; the next ones have twice as many");
    v("num_stages", num_stages, "each halves the image; the last three are given");
  }
};

/// A convolution of stride 2 with its norm for every stage.
class PlainNet : public kestrel::Backbone {
 public:
  explicit PlainNet(const PlainNetOptions& options);
  std::vector<kestrel::Variable> forward(const kestrel::Variable& images) override;
  std::vector<int64_t> out_channels() const override { return out_channels_; }

 private:
  std::vector<kestrel::ConvModule*> stages_;  // owned by the module
  std::vector<int64_t> out_channels_;
};
