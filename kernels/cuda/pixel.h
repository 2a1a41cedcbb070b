#pragma once

#include <cstdint>

namespace kestrel::gpu {

/// Where item i of a map (images, height, width, packs) lies.
struct Pixel {
  int64_t image, y, x, pack;

  __device__ Pixel(int64_t i, int64_t height, int64_t width, int64_t packs)
      : image(i / packs / width / height),
        y(i / packs / width % height),
        x(i / packs % width),
        pack(i % packs) {}
};

}  // namespace kestrel::gpu
