#pragma once

#include <algorithm>

#include <kestrel/kernels/upsample.h>

/// The geometry of upsample.h, and what it demands of its operands, for every device.
namespace kestrel {

/// First of the outputs whose nearest source is at or after `source`: ceil(source * out / in).
KESTREL_HOST_DEVICE inline int64_t nearest_first_output(int64_t source, int64_t in, int64_t out) {
  return (source * out + in - 1) / in;
}

/// One output's two sources along one side and the weight of the second.
struct BilinearTap {
  int64_t low, high;
  double weight;
};

KESTREL_HOST_DEVICE inline BilinearTap bilinear_tap(int64_t i, int64_t in, int64_t out,
                                                    bool align_corners) {
  const auto place = static_cast<double>(i), size = static_cast<double>(in);
  double source = 0;
  if (!align_corners) {
    source = std::max(0.0, (place + 0.5) * size / static_cast<double>(out) - 0.5);
  } else if (out > 1) {
    source = place * (size - 1) / static_cast<double>(out - 1);
  }
  const int64_t low = std::min(in - 1, static_cast<int64_t>(source));
  return {low, std::min(in - 1, low + 1), source - static_cast<double>(low)};
}

inline void check_upsample(const char* op, ConstView x, ConstView y) {
  KESTREL_CHECK(x.shape.dims() == 4 && y.shape.dims() == 4 && x.size(0) == y.size(0) &&
                    x.size(3) == y.size(3) && x.dtype == y.dtype,
                "[", op, "] ", x.dtype, x.shape, " cannot become ", y.dtype, y.shape);
  KESTREL_CHECK(y.numel() == 0 || x.numel() > 0, "[", op, "] nothing to enlarge in ", x.shape);
}

inline void check_upsample_nearest(ConstView x, ConstView lateral, ConstView y) {
  check_upsample("upsample_nearest", x, y);
  KESTREL_CHECK(!lateral || (lateral.shape == y.shape && lateral.dtype == y.dtype),
                "[upsample_nearest] lateral ", lateral.dtype, lateral.shape, " does not fit ",
                y.dtype, y.shape);
}

}  // namespace kestrel
