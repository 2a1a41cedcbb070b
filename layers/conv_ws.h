#pragma once

#include <kestrel/layers/conv_layer.h>

namespace kestrel {

struct ConvWsOptions {
  double eps = 1e-5;

  template <class V>
  void visit(V& v) {
    v("eps", eps, "added to the deviation");
  }
};

/// A convolution whose weights are standardised, output by output, before they are used (Qiao et
/// al. 2019); "ConvWS" in configs.
class ConvWs2d : public ConvLayer {
 public:
  ConvWs2d(const ConvWsOptions& ws, const Conv2dOptions& options);

  Variable forward(const Variable& x, const ConvEpilogue& epilogue = {}) override;
  /// PyTorch's own initial values.
  void init_weights(Philox& random) override;

 private:
  double eps_;
  Conv2dOptions options_;
};

}  // namespace kestrel
