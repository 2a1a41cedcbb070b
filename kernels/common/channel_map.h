#pragma once

#include <cstdint>

namespace kestrel {

/// A feature map as its kernels see it: `images` blocks of `rows` x `channels` values.
struct ChannelMap {
  int64_t images, rows, channels;

  int64_t coefficients() const { return images * channels; }
};

}  // namespace kestrel
