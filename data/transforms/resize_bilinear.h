#pragma once

#include <kestrel/data/image.h>
#include <kestrel/data/transforms/sample.h>

namespace kestrel {

/// OpenCV's INTER_LINEAR of 8-bit pixels: pixel centres at half, 11-bit coefficients, the same
/// rounding (at most one level from cv2.resize).
Image resize_bilinear(const Image& image, int64_t height, int64_t width);

/// torch.nn.functional.interpolate(mode="bilinear", align_corners=False) in float32.
FloatImage resize_bilinear(const FloatImage& image, int64_t height, int64_t width);

}  // namespace kestrel
