#include <kestrel/layers/conv2d.h>

#include <atomic>

#include <kestrel/autograd/functions/conv2d.h>
#include <kestrel/autograd/functions/fold_batch_norm.h>
#include <kestrel/layers/forward_observer.h>
#include <kestrel/layers/init.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/mapped_file.h>

namespace kestrel {
namespace {

/// "Conv2d" and "Conv" have no settings beyond those of every convolution.
struct NoOptions {
  template <class V>
  void visit(V&) {}
};
struct PlainConv2d : Conv2d {
  PlainConv2d(const NoOptions&, const Conv2dOptions& options) : Conv2d(options) {}
};
using Conv2dRegistration = Registration<ConvLayer, PlainConv2d, NoOptions, const Conv2dOptions&>;
const Conv2dRegistration kConv2d{"Conv2d", "convolution"};
const Conv2dRegistration kConv{"Conv", "Conv2d by its older name"};

uint64_t next_weight_key() {
  static std::atomic<uint64_t> key{0};
  return ++key;
}

Conv2dParams params_of(const Conv2dOptions& options, bool relu) {
  return {.stride_h = options.stride,
          .stride_w = options.stride,
          .pad_h = options.padding,
          .pad_w = options.padding,
          .dilation_h = options.dilation,
          .dilation_w = options.dilation,
          .groups = options.groups,
          .relu = relu};
}

/// The normalisation as a batch norm that can be folded, or null.
BatchNorm2d* foldable(Norm* norm) {
  auto* batch_norm = dynamic_cast<BatchNorm2d*>(norm);
  return batch_norm && batch_norm->uses_running_stats() ? batch_norm : nullptr;
}

}  // namespace

/// Weights ready for inference: folded, in the dtype that is computed in, packed under a key.
struct Conv2d::InferenceWeights {
  Variable weight;
  Variable bias;
  Tensor scale;  ///< Of the weight where that is not folded; see Conv2dParams::weight_scale.
  const Norm* norm = nullptr;
  bool autocast = false;
  DType dtype = DType::Float32;  ///< Of the input.
  uint64_t key = 0;

  ~InferenceWeights() {
    if (weight.device().is_cuda()) {
      gpu::conv2d_forget(key);
    } else {
      cpu::conv2d_forget(key);
    }
  }
};

Conv2d::Conv2d(const Conv2dOptions& options)
    : ConvLayer(Tensor::zeros({options.out_channels, options.kernel_size, options.kernel_size,
                               options.in_channels / options.groups}),
                options.bias ? Tensor::zeros({options.out_channels}) : Tensor()),
      options_(options) {
  KESTREL_CHECK(
      options.in_channels % options.groups == 0 && options.out_channels % options.groups == 0,
      "[conv2d] ", options.in_channels, " to ", options.out_channels,
      " channels do not divide into ", options.groups, " groups");
}

Conv2d::~Conv2d() = default;

void Conv2d::on_state_changed() {
  inference_.reset();
}

void Conv2d::init_weights(Philox& random) {
  init::torch_default(weight, bias, random);
}

Variable Conv2d::forward(const Variable& x, const ConvEpilogue& epilogue) {
  return observed(*this, x, [&] { return convolve(x, epilogue); });
}

Variable Conv2d::convolve(const Variable& x, const ConvEpilogue& epilogue) {
  BatchNorm2d* norm = bias ? nullptr : foldable(epilogue.norm);
  if (epilogue.norm && !norm) {
    const Variable y = autograd::conv2d(x, weight, bias, params_of(options_, false));
    return epilogue.norm->forward(y, epilogue.relu, epilogue.residual);
  }
  const bool differentiable = autograd::wants_grad({&x, &weight, &bias, &epilogue.residual}) ||
                              (norm && autograd::wants_grad({&norm->weight, &norm->bias}));
  if (!training() && !differentiable) return forward_inference(x, epilogue);
  if (!norm) {
    return autograd::conv2d(x, weight, bias, params_of(options_, epilogue.relu), epilogue.residual);
  }
  const auto folded = autograd::fold_batch_norm(weight, norm->weight, norm->bias,
                                                norm->running_mean, norm->running_var, norm->eps());
  return autograd::conv2d(x, folded.weight, folded.bias, params_of(options_, epilogue.relu),
                          epilogue.residual);
}

Variable Conv2d::forward_inference(const Variable& x, const ConvEpilogue& epilogue) {
  const bool autocast = autograd::autocast_enabled();
  const bool prepares = !inference_ || inference_->norm != epilogue.norm ||
                        inference_->autocast != autocast || inference_->dtype != x.dtype();
  if (prepares) {
    inference_.reset();
    auto fresh = std::make_unique<InferenceWeights>();
    fresh->weight = weight;
    fresh->bias = bias;
    if (epilogue.norm) {
      auto* norm = foldable(epilogue.norm);
      // Where packing multiplies, the weights need not be kept a second time.
      const bool scaled = !weight.device().is_cuda() && !autocast && x.dtype() == DType::Float32 &&
                          weight.dtype() == DType::Float32 && weight.size(3) > 1;
      const Variable factors =
          scaled ? Variable(Tensor::full({weight.size(0), 1, 1, 1}, 1)) : weight;
      const auto folded = autograd::fold_batch_norm(
          factors, norm->weight, norm->bias, norm->running_mean, norm->running_var, norm->eps());
      if (scaled) {
        fresh->scale = folded.weight.data();
      } else {
        fresh->weight = folded.weight;
      }
      fresh->bias = folded.bias;
    }
    if (autocast) fresh->weight = Variable(fresh->weight.data().to(DType::BFloat16));
    fresh->norm = epilogue.norm;
    fresh->autocast = autocast;
    fresh->dtype = x.dtype();
    fresh->key = next_weight_key();
    inference_ = std::move(fresh);
  }
  Conv2dParams params = params_of(options_, epilogue.relu);
  params.weight_key = inference_->key;
  if (inference_->scale) params.weight_scale = inference_->scale.data<float>();
  Variable y = autograd::conv2d(x, inference_->weight, inference_->bias, params, epilogue.residual,
                                epilogue.residual_is_spare);
  // Packed now, they are hardly read again.
  if (prepares) forget_mapped_pages(weight.data().raw(), weight.data().bytes());
  return y;
}

ConvTranspose2d::ConvTranspose2d(const ConvTranspose2dOptions& options)
    : weight(add_parameter(
          "weight", Tensor::zeros({options.in_channels, options.kernel_size, options.kernel_size,
                                   options.out_channels / options.groups}))),
      bias(add_parameter("bias", options.bias ? Tensor::zeros({options.out_channels}) : Tensor())),
      options_(options) {}

Variable ConvTranspose2d::forward(const Variable& x) {
  return observed(*this, x, [&] {
    return autograd::conv_transpose2d(x, weight, bias,
                                      {.stride = options_.stride,
                                       .padding = options_.padding,
                                       .output_padding = options_.output_padding,
                                       .dilation = options_.dilation,
                                       .groups = options_.groups});
  });
}

void ConvTranspose2d::init_weights(Philox& random) {
  init::torch_default(weight, bias, random);
}

}  // namespace kestrel
