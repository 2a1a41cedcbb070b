#pragma once

#include <cstdint>

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

namespace kestrel {

/// Geometry and epilogue of a 2-D convolution. Output size per side:
/// (in + 2 * pad - dilation * (k - 1) - 1) / stride + 1, rounded down.
struct Conv2dParams {
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_h = 0, pad_w = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
  /// Forward only: the output is clamped from below at zero, after bias and residual.
  bool relu = false;
  /// Not zero: the caller guarantees that equal keys mean equal weight contents (and shape), so
  /// packed weights are kept under it until conv2d_forget(key) or until the cache needs the room.
  uint64_t weight_key = 0;
  /// Forward on the CPU in float32 only, not for depthwise convolutions: (O) factors of the
  /// weights, which are multiplied as they are packed, such as those of a batch normalisation.
  const float* weight_scale = nullptr;
};

/// Who computes convolutions and matrix products on a GPU.
enum class ConvAlgorithm : uint8_t {
  Auto,          ///< For each shape the faster one, measured when the shape is first met.
  ImplicitGemm,  ///< Kestrel's own kernels.
  Cudnn,         ///< cuDNN and cuBLAS wherever they can.
};

/// Shapes, for every function here: input (N, H, W, C), weight (O, kh, kw, C / groups),
/// output (N, Ho, Wo, O), bias (O). All of one dtype: float32, float64, bfloat16 or, on CUDA,
/// float16, except that with the last two bias, grad_weight and grad_bias may also be float32. Sums
/// are formed in float32 (in float64 for float64), and on the CPU zeros may be among the products:
/// an infinite input can make outputs near it, or of neighbouring groups, NaN. Zero sizes are
/// legal. Throws Error on shapes or dtypes that do not fit. Results depend neither on the number of
/// threads nor on the run.
///
/// On a CPU with AMX bfloat16 runs through oneDNN, which rounds sums in another order than
/// Kestrel's own kernels. KESTREL_CONV in the environment, read once, names who computes it:
/// `auto`, `own`, `onednn` wherever it can (it emulates bfloat16 on any AVX-512; with less, this
/// means `own`), or `direct`: Kestrel's own, also in float32 without Winograd's algorithm, which
/// takes longer and rounds less.
///
/// A transposed convolution of x (N, H, W, I) with weight (I, kh, kw, O / groups) is these
/// functions with the roles exchanged: its forward is conv2d_backward_data(x, weight, output), its
/// gradient for the data conv2d_forward(grad_output, weight, {}, {}, grad_x), and its gradient for
/// the weight conv2d_backward_weights(grad_output, x, grad_weight, {}).
namespace cpu {

/// output = relu?(conv(input, weight) + bias + residual). `bias` and `residual` (shaped and typed
/// like the output) may be absent; `residual` may be the same memory as `output`.
void conv2d_forward(ConstView input, ConstView weight, ConstView bias, ConstView residual,
                    View output, const Conv2dParams& params);

/// grad_input = the gradient of conv2d_forward for its input; overwrites.
void conv2d_backward_data(ConstView grad_output, ConstView weight, View grad_input,
                          const Conv2dParams& params);

/// grad_weight and grad_bias = the gradients of conv2d_forward for weight and bias; overwrites.
/// `grad_bias` may be absent.
void conv2d_backward_weights(ConstView input, ConstView grad_output, View grad_weight,
                             View grad_bias, const Conv2dParams& params);

/// Drops what is cached under a weight_key.
void conv2d_forget(uint64_t weight_key);

}  // namespace cpu

namespace gpu {

void conv2d_forward(ConstView input, ConstView weight, ConstView bias, ConstView residual,
                    View output, const Conv2dParams& params, Stream stream);
void conv2d_backward_data(ConstView grad_output, ConstView weight, View grad_input,
                          const Conv2dParams& params, Stream stream);
void conv2d_backward_weights(ConstView input, ConstView grad_output, View grad_weight,
                             View grad_bias, const Conv2dParams& params, Stream stream);
/// Whether this build has cuDNN and cuBLAS (KESTREL_WITH_CUDNN).
bool has_cudnn();
/// For all threads. Until it is set: what KESTREL_CUDA_CONV names (auto, implicit_gemm, cudnn), or
/// Auto. Throws UsageError for Cudnn in a build without.
///
/// The choices of Auto are kept for the process and, where KESTREL_CONV_CACHE names a file, in that
/// file, so that the next process chooses alike: two algorithms round sums in different orders.
void set_conv_algorithm(ConvAlgorithm algorithm);
ConvAlgorithm conv_algorithm();
/// Does nothing: on a GPU weights are read as they are, and nothing is kept under a weight_key.
void conv2d_forget(uint64_t weight_key);

}  // namespace gpu

}  // namespace kestrel
