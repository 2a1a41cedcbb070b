#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

namespace kestrel {

/// Geometry of a deformable convolution; the output's size is that of conv2d.h.
struct DeformConv2dParams {
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_h = 0, pad_w = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
  int64_t deform_groups = 1;  ///< Groups of input channels that have offsets of their own.
  /// Output pixels that are sampled at a time; 0: as many as a few MiB of work space hold.
  int64_t chunk_pixels = 0;
};

/// Where the gradients of a deformable convolution go, shaped like what they belong to: float32, or
/// float64 beside float64. Any may be absent, and then is not computed.
struct DeformConv2dGradients {
  View input, offset, mask, weight, bias;
};

/// Deformable convolution (Dai et al. 2017) and, with a mask, its second version (Zhu et al. 2019).
/// Tap k = (i, j), row by row, of output pixel (h, w) samples the channels of deformable group g at
///
///   y = h * stride_h - pad_h + i * dilation_h + offset[2 * (g * kh * kw + k)]
///   x = w * stride_w - pad_w + j * dilation_w + offset[2 * (g * kh * kw + k) + 1]
///
/// in pixels, by bilinear interpolation with zeros around the input, and multiplies the sample by
/// mask[g * kh * kw + k]. A sample counts where -1 < y < H and -1 < x < W; elsewhere, as where an
/// offset is NaN, it is zero and has no gradient.
///
/// input (N, H, W, C), offset (N, Ho, Wo, deform_groups * kh * kw * 2), mask (N, Ho, Wo,
/// deform_groups * kh * kw) or absent, weight (O, kh, kw, C / groups), bias (O) or absent, output
/// (N, Ho, Wo, O). Input, weight and output share one dtype: float32, float64 or bfloat16. Offset
/// and mask are float32, float64 beside float64; the bias is of the input's dtype, or float32
/// beside bfloat16. Sums are formed in float32 (in float64 for float64); with bfloat16 the samples,
/// and their gradients, are rounded once before they are multiplied. Zero sizes are legal. Throws
/// Error on shapes or dtypes that do not fit. Results depend neither on the number of threads nor
/// on the run.
namespace cpu {

void deform_conv2d_forward(ConstView input, ConstView offset, ConstView mask, ConstView weight,
                           ConstView bias, View output, const DeformConv2dParams& params);

/// Overwrites the gradients that are present.
void deform_conv2d_backward(ConstView input, ConstView offset, ConstView mask, ConstView weight,
                            ConstView grad_output, const DeformConv2dGradients& gradients,
                            const DeformConv2dParams& params);

}  // namespace cpu
namespace gpu {

void deform_conv2d_forward(ConstView input, ConstView offset, ConstView mask, ConstView weight,
                           ConstView bias, View output, const DeformConv2dParams& params,
                           Stream stream);
void deform_conv2d_backward(ConstView input, ConstView offset, ConstView mask, ConstView weight,
                            ConstView grad_output, const DeformConv2dGradients& gradients,
                            const DeformConv2dParams& params, Stream stream);

}  // namespace gpu
}  // namespace kestrel
