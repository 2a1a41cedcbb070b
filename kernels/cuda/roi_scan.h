#pragma once

#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/reduce.h>

namespace kestrel::gpu {

/// What a RoI touches of the maps: an image, -1 where there is no such image, and a rectangle of
/// y1, x1, y2, x2 in pixels, the ends exclusive.
using RoiExtent = Vector<int32_t, 4>;
struct RoiExtents {
  int64_t count;
  const int32_t* images;
  const RoiExtent* extents;
};

/// Pixels next to each other in a row that share what is read for one of them.
inline constexpr int kStrip = 4;

/// The strip of pixels and the vector of channels of one lane. A warp has one strip and kWarp
/// vectors of channels next to each other.
struct Strip {
  int64_t image, y, x, pack;

  /// i numbers the lanes of all warps.
  __device__ Strip(int64_t i, int64_t height, int64_t width, int64_t packs) {
    const int64_t groups = (packs + kWarp - 1) / kWarp, strips = (width + kStrip - 1) / kStrip;
    const int64_t item = i / kWarp;
    pack = item % groups * kWarp + i % kWarp;
    x = item / groups % strips * kStrip;
    y = item / groups / strips % height;
    image = item / groups / strips / height;
  }
};

/// Lanes for all strips of a map.
inline int64_t strip_lanes(int64_t images, int64_t height, int64_t width, int64_t packs) {
  const int64_t groups = (packs + kWarp - 1) / kWarp, strips = (width + kStrip - 1) / kStrip;
  return images * height * strips * groups * kWarp;
}

/// Calls f(roi) for the RoIs that touch a warp's strip, in ascending order. Each lane looks at one
/// RoI of 32; every lane of the warp must call it, and all call f for the same ones.
template <class F>
__device__ void visit_rois(const RoiExtents& rois, const Strip& strip, F f) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int64_t first = 0; first < rois.count; first += kWarp) {
    const int64_t own = first + lane;
    bool touches = false;
    if (own < rois.count && rois.images[own] == strip.image) {
      const RoiExtent extent = rois.extents[own];
      touches = extent[0] <= strip.y && strip.y < extent[2] && extent[1] < strip.x + kStrip &&
                strip.x < extent[3];
    }
    for (unsigned found = __ballot_sync(kFullWarp, touches); found != 0; found &= found - 1) {
      f(first + __ffs(static_cast<int>(found)) - 1);
    }
  }
}

}  // namespace kestrel::gpu
