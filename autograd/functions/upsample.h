#pragma once

#include <kestrel/autograd/variable.h>

namespace kestrel::autograd {

/// x (N, H, W, C) resized to (N, height, width, C); output row i is row floor(i * H / height).
Variable upsample_nearest(const Variable& x, int64_t height, int64_t width);

/// lateral + upsample_nearest(top, to the size of lateral), in one pass: a feature pyramid's
/// top-down step.
Variable upsample_nearest_add(const Variable& top, const Variable& lateral);

/// x (N, H, W, C) resized to (N, height, width, C) by bilinear interpolation, as PyTorch's
/// interpolate. With align_corners the corner pixels' centres coincide, else the images' edges do.
Variable upsample_bilinear(const Variable& x, int64_t height, int64_t width,
                           bool align_corners = false);

}  // namespace kestrel::autograd
