#pragma once

#include <kestrel/autograd/variable.h>
#include <kestrel/kernels/conv2d.h>

namespace kestrel::autograd {

/// relu?(conv(x, weight) + bias + residual) as one operation. x (N, H, W, C), weight
/// (O, kh, kw, C / groups), bias (O) or undefined, residual shaped like the output or undefined.
/// Computes in the dtype of x; under Autocast in bfloat16, with float32 parameters. Where nothing
/// wants a gradient, the memory of a residual that is spare becomes the result's.
Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias,
                const Conv2dParams& params, const Variable& residual = {},
                bool residual_is_spare = false);

struct ConvTranspose2dParams {
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t output_padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
};

/// Transposed convolution as PyTorch's ConvTranspose2d. x (N, H, W, I), weight
/// (I, kh, kw, O / groups), bias (O) or undefined. Output side:
/// (in - 1) * stride - 2 * padding + dilation * (k - 1) + output_padding + 1.
Variable conv_transpose2d(const Variable& x, const Variable& weight, const Variable& bias,
                          const ConvTranspose2dParams& params);

}  // namespace kestrel::autograd
