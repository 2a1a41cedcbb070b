#pragma once

#include <memory>

#include <kestrel/layers/conv_layer.h>

namespace kestrel {

/// 2-D convolution; weight (out, k, k, in / groups), bias (out).
class Conv2d : public ConvLayer {
 public:
  explicit Conv2d(const Conv2dOptions& options);
  ~Conv2d() override;

  /// x (N, H, W, in) to (N, H', W', out). A batch normalisation that uses running statistics is
  /// folded into the weights; in evaluation without gradients the folded and packed weights are
  /// kept, until the module is told of a change (train(), load_state_dict(), to(),
  /// state_changed()).
  Variable forward(const Variable& x, const ConvEpilogue& epilogue = {}) override;
  /// PyTorch's own initial values.
  void init_weights(Philox& random) override;

  const Conv2dOptions& options() const { return options_; }

 protected:
  void on_state_changed() override;

 private:
  struct InferenceWeights;
  Variable convolve(const Variable& x, const ConvEpilogue& epilogue);
  Variable forward_inference(const Variable& x, const ConvEpilogue& epilogue);

  Conv2dOptions options_;
  std::unique_ptr<InferenceWeights> inference_;
};

/// Transposed convolution; weight (in, k, k, out / groups), bias (out).
struct ConvTranspose2dOptions {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t kernel_size = 2;
  int64_t stride = 2;
  int64_t padding = 0;
  int64_t output_padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  bool bias = true;
};

class ConvTranspose2d : public Module {
 public:
  explicit ConvTranspose2d(const ConvTranspose2dOptions& options);
  Variable forward(const Variable& x);
  void init_weights(Philox& random) override;

  Variable& weight;
  Variable& bias;

 private:
  ConvTranspose2dOptions options_;
};

}  // namespace kestrel
