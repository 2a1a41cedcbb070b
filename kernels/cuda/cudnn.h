#pragma once

#include <kestrel/kernels/common/conv2d_checks.h>
#include <kestrel/kernels/common/matmul_checks.h>
#include <kestrel/kernels/stream.h>

/// Convolutions by cuDNN and matrix products by cuBLAS, operands as in kernels/conv2d.h and
/// kernels/matmul.h, already checked and not empty. Each returns false, having done nothing, where
/// the library has no deterministic algorithm for it, for float64, and in a build without.
/// bfloat16 is rounded once more than by Kestrel's kernels, before bias and ReLU.
namespace kestrel::gpu {

bool cudnn_forward(const Conv2dGeometry& g, ConstView input, ConstView weight, ConstView bias,
                   ConstView residual, View output, bool relu, Stream stream);
bool cudnn_backward_data(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                         View grad_input, Stream stream);
bool cudnn_backward_weights(const Conv2dGeometry& g, ConstView input, ConstView grad_output,
                            View grad_weight, Stream stream);
bool cublas_matmul(const MatmulSizes& size, ConstView a, ConstView b, View c,
                   const MatmulParams& params, Stream stream);

}  // namespace kestrel::gpu
