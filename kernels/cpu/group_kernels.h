#pragma once

#include <cstdint>

namespace kestrel::cpu {

/// Channels that lie together in the input of GroupKernels::multiply.
inline constexpr int64_t kGroupBlock = 8;

/// Outputs of neighbouring pixels of a grouped convolution, all of one group. The input is blocked
/// by channels: (channels / 8, rows, pixels, 8), as float32 and with all padding: no tap is
/// outside.
struct GroupTile {
  const float* input;  ///< The group's first channel of the first tap of the first pixel.
  int64_t block_stride, row_stride, tap_stride;  ///< In floats: between blocks, two rows of taps,
                                                 ///< two taps of a row.
  int64_t step;                                  ///< Pixels of the input per output: 1 or 2.
  int64_t kernel_h, kernel_w, channels;          ///< channels: 4 or a multiple of 8.
  const float* weights;                          ///< (kernel_h, kernel_w, channels, outputs)
  float* sums;
  int64_t sum_stride;  ///< Between pixels.
};

/// The inner loops of grouped convolutions, compiled for several instruction sets. A sum is formed
/// in the order of the taps, then of the channels.
struct GroupKernels {
  int64_t lanes;  ///< Of the widest vector.

  /// sums[i * sum_stride + j] for i < pixels and j < outputs, where outputs is 4, 8, 16 or 32 and
  /// at most twice `lanes`. Reads and writes as for a multiple of kGroupPixels pixels.
  void (*multiply)(const GroupTile& tile, int64_t pixels, int64_t outputs);
};

inline constexpr int64_t kGroupPixels = 6;

/// The kernels of the best instruction set of this machine.
const GroupKernels& group_kernels();

}  // namespace kestrel::cpu
