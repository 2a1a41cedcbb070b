#pragma once

#include <array>

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// From the bytes of pictures to what networks take: MMDetection's Normalize and Pad in one pass.
namespace kestrel {

struct ImageNormalizeParams {
  std::array<float, 3> mean{0, 0, 0}, std{1, 1, 1};  ///< In the order of y's channels.
  bool swap = false;    ///< y has x's channels in reverse: BGR of RGB, or RGB of BGR.
  float pad_value = 0;  ///< Of y beyond x.
};

/// x uint8 (N, H, W, 3), or (H, W, 3); y (N, Ho, Wo, 3), or (Ho, Wo, 3), float32, float64 or
/// bfloat16, at least as high and wide as x. The top left of y is (x - mean) * (1 / std) in
/// float32, 1 / std rounded from float64, as mmcv's imnormalize; the rest is pad_value.
/// Deterministic, and the same bits on every device.
namespace cpu {

void image_normalize(ConstView x, View y, const ImageNormalizeParams& params);

}  // namespace cpu
namespace gpu {

void image_normalize(ConstView x, View y, const ImageNormalizeParams& params, Stream stream);

}  // namespace gpu
}  // namespace kestrel
