#pragma once

#include <kestrel/layers/module.h>

namespace kestrel {

/// y = x * weight^T + bias; x (N, in), weight (out, in), bias (out).
class Linear : public Module {
 public:
  Linear(int64_t in_features, int64_t out_features, bool with_bias = true);
  Variable forward(const Variable& x);
  /// PyTorch's own initial values.
  void init_weights(Philox& random) override;

  Variable& weight;
  Variable& bias;
};

}  // namespace kestrel
