#pragma once

#include <cmath>

#include <kestrel/kernels/image_normalize.h>

/// The formula of image_normalize.h, and what it demands of its operands, for every device.
namespace kestrel {

/// What becomes of a byte of each channel of y, and which byte of its pixel it is.
struct PixelNormalizer {
  float mean[3], scale[3];
  bool swap;

  explicit PixelNormalizer(const ImageNormalizeParams& params)
      : mean{}, scale{}, swap(params.swap) {
    for (size_t c = 0; c < 3; ++c) {
      KESTREL_CHECK(
          std::isfinite(params.mean[c]) && std::isfinite(params.std[c]) && params.std[c] != 0,
          "[image_normalize] mean must be finite and std not 0, got ", params.mean[c], " and ",
          params.std[c]);
      mean[c] = params.mean[c];
      scale[c] = static_cast<float>(1.0 / static_cast<double>(params.std[c]));
    }
  }

  /// `pixel` has three bytes.
  KESTREL_HOST_DEVICE float operator()(const uint8_t* pixel, int channel) const {
    const uint8_t byte = pixel[swap ? 2 - channel : channel];
    return (static_cast<float>(byte) - mean[channel]) * scale[channel];
  }
};

struct ImageSizes {
  int64_t images, height, width, out_height, out_width;
};

inline ImageSizes check_image_normalize(ConstView x, ConstView y) {
  const int dims = x.shape.dims();
  KESTREL_CHECK(x.dtype == DType::UInt8 && (dims == 3 || dims == 4) && x.size(-1) == 3,
                "[image_normalize] x must be uint8(N, H, W, 3) or (H, W, 3), got ", x.dtype,
                x.shape);
  KESTREL_CHECK(y.shape.dims() == dims && y.size(-1) == 3 &&
                    (dims == 3 || y.size(0) == x.size(0)) && y.size(-3) >= x.size(-3) &&
                    y.size(-2) >= x.size(-2),
                "[image_normalize] pictures ", x.shape, " do not fit into ", y.shape);
  return {dims == 4 ? x.size(0) : 1, x.size(-3), x.size(-2), y.size(-3), y.size(-2)};
}

}  // namespace kestrel
