#pragma once

#include <kestrel/kernels/dtype.h>

namespace kestrel::cpu {

/// Winograd's F(4x4, 3x3): a tile of 4x4 outputs of a 3x3 convolution from 6x6 inputs with 36
/// products instead of 144 (Lavin and Gray 2015, interpolated at 0, 1, -1, 2, -2 and infinity).
inline constexpr int64_t kTile = 4;
inline constexpr int64_t kPatch = 6;
inline constexpr int64_t kPoints = kPatch * kPatch;

/// Where a transform puts (point, channel) of one tile:
/// data[point * point_stride + channel / width * width_stride + channel % width]. Padding channels
/// up to a whole number of vectors are written as zero.
struct PointsOut {
  float* data;
  int64_t point_stride;
  int64_t width;
  int64_t width_stride;
};

/// A rectangle of an image (H, W, C); what lies outside the image reads as zero.
template <class T>
struct TileIn {
  const T* image;
  int64_t height, width, channels;
  int64_t y, x;
};

template <class T>
struct TileOut {
  const float* points;  ///< (kPoints, columns), row stride point_stride, whole vectors.
  int64_t point_stride;
  int64_t columns;
  int64_t rows_valid, columns_valid;  ///< Of the 4x4 outputs.
  const float* bias;                  ///< Whole vectors; or null.
  const T* residual;                  ///< At the tile's first pixel, strides as output's; or null.
  T* output;
  int64_t row_stride, pixel_stride;  ///< In elements.
  float lower;
};

struct WinogradKernels {
  /// The points of a 6x6 patch of the input, `padded` channels of them.
  void (*input)(const TileIn<float>& tile, int64_t padded, const PointsOut& out);
  void (*input_bf16)(const TileIn<bfloat16>& tile, int64_t padded, const PointsOut& out);
  /// The points of a 4x4 patch of the gradient of the output.
  void (*gradient)(const TileIn<float>& tile, int64_t padded, const PointsOut& out);
  void (*gradient_bf16)(const TileIn<bfloat16>& tile, int64_t padded, const PointsOut& out);
  void (*output)(const TileOut<float>& tile);
  void (*output_bf16)(const TileOut<bfloat16>& tile);

  /// The points of the weights (O, 3, 3, C) for columns [o, o + columns) as one packed panel of
  /// GemmKernels per point: (padded_depth(C), panel).
  void (*weight)(const float* weight, int64_t channels, int64_t columns, float* panels,
                 int64_t point_stride);
  void (*weight_bf16)(const bfloat16* weight, int64_t channels, int64_t columns, float* panels,
                      int64_t point_stride);
  /// The same for the gradient of the data: turned by 180 degrees, columns are channels of the
  /// input [c, c + columns), depth is the output channel. `weight` points at channel c.
  void (*weight_turned)(const float* weight, int64_t outputs, int64_t channels, int64_t columns,
                        float* panels, int64_t point_stride);
  void (*weight_turned_bf16)(const bfloat16* weight, int64_t outputs, int64_t channels,
                             int64_t columns, float* panels, int64_t point_stride);

  /// grad (9, C) of one output channel from its points (kPoints, padded C).
  void (*weight_gradient)(const float* points, int64_t point_stride, int64_t width,
                          int64_t width_stride, int64_t channels, float* grad);
  void (*weight_gradient_bf16)(const float* points, int64_t point_stride, int64_t width,
                               int64_t width_stride, int64_t channels, bfloat16* grad);
};

const WinogradKernels& winograd_kernels();

}  // namespace kestrel::cpu
