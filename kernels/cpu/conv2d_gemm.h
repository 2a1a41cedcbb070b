#pragma once

#include <kestrel/kernels/cpu/conv2d_geometry.h>
#include <kestrel/kernels/cpu/conv2d_patches.h>
#include <kestrel/kernels/view.h>

namespace kestrel::cpu {

/// A vector of n as float32, zeros up to `padded`; null when absent.
const float* padded_bias(ConstView bias, int64_t padded, std::vector<float>& storage);

/// Multiplies the columns of a packed panel (depth, width) by their factors.
void scale_panel(const float* factors, int64_t columns, int64_t width, int64_t depth, float* panel);

/// Where the rows of a product lie in an output image.
struct OutputGrid {
  int64_t grid_h, grid_w;            ///< Rows are (image, y, x) of this grid.
  int64_t image_stride;              ///< In elements, between images.
  int64_t row_stride, pixel_stride;  ///< In elements, between grid rows and grid points.
};

/// output = max(lower, patches * packed + bias + residual), with `packed` the panels of
/// GemmKernels. residual may be null, and is indexed like the output.
template <class T, class U>
void multiply_patches(const Patches<T>& patches, const float* packed, int64_t columns,
                      const float* bias, const U* residual, U* output, const OutputGrid& grid,
                      float lower);

/// Whether the patches of a forward convolution can be read where they lie: multiply_overlapping.
bool rows_overlap(const Conv2dGeometry& g);

/// The same as multiply_patches for a convolution with rows_overlap().
template <class T>
void multiply_overlapping(const Conv2dGeometry& g, const T* input, const float* packed,
                          const float* bias, const T* residual, T* output, float lower);

/// sums (outputs, depth) = left^T * patches, with left (patches.rows(), left_stride). Writes to
/// `result` with row stride result_stride.
template <class T, class W>
void multiply_transposed_patches(const T* left, int64_t left_stride, int64_t outputs,
                                 const Patches<T>& patches, W* result, int64_t result_stride);

/// Convolutions as products of patches: any geometry, float32 and bfloat16.
void conv2d_forward_gemm(const Conv2dGeometry& g, ConstView input, ConstView weight, ConstView bias,
                         ConstView residual, View output, const Conv2dParams& params);
void conv2d_backward_data_gemm(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                               View grad_input, uint64_t weight_key);
void conv2d_backward_weights_gemm(const Conv2dGeometry& g, ConstView input, ConstView grad_output,
                                  View grad_weight);

}  // namespace kestrel::cpu
