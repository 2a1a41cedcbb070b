#include <kestrel/kernels/cpu/conv2d_patches.h>

namespace kestrel::cpu {

template <class T>
void Patches<T>::sources(const Tap& tap, int64_t first, int64_t count, const T** to) const {
  int64_t x = first % grid_w, y = first / grid_w % grid_h, n = first / (grid_w * grid_h);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t sy = y * step_h + tap.y, sx = x * step_w + tap.x;
    const bool inside = sy >= 0 && sy < height && sx >= 0 && sx < width;
    to[i] = inside ? data + ((n * height + sy) * width + sx) * pixel_stride : nullptr;
    if (++x == grid_w) {
      x = 0;
      if (++y == grid_h) {
        y = 0;
        ++n;
      }
    }
  }
}

template <class T>
void Patches<T>::plain(const GemmKernels& kernels, int64_t first, int64_t count, float* to) const {
  const int64_t stride = padded_depth(depth());
  const bool dense = channels == pixel_stride;
  int64_t x = first % grid_w, y = first / grid_w % grid_h, n = first / (grid_w * grid_h);
  const auto taps_end = taps.size();
  for (int64_t i = 0; i < count; ++i, to += stride) {
    float* at = to;
    for (size_t t = 0; t < taps_end;) {
      const int64_t sy = y * step_h + taps[t].y, sx = x * step_w + taps[t].x;
      // Taps that read neighbouring pixels are one run of memory.
      size_t end = t + 1;
      while (dense && end < taps_end && taps[end].y == taps[t].y &&
             taps[end].x == taps[t].x + static_cast<int64_t>(end - t)) {
        ++end;
      }
      const auto length = static_cast<int64_t>(end - t);
      const bool row_inside = sy >= 0 && sy < height;
      const int64_t low = row_inside ? std::clamp<int64_t>(-sx, 0, length) : length;
      const int64_t high = row_inside ? std::clamp<int64_t>(width - sx, low, length) : length;
      std::fill(at, at + low * channels, 0.0f);
      if (high > low) {
        const T* from = data + ((n * height + sy) * width + sx + low) * pixel_stride;
        const int64_t size = (high - low) * channels;
        if constexpr (std::is_same_v<T, float>) {
          std::copy(from, from + size, at + low * channels);
        } else {
          copy_rows(kernels, from, 0, 1, size, size, at + low * channels, 0);
        }
      }
      std::fill(at + high * channels, at + length * channels, 0.0f);
      at += length * channels;
      t = end;
    }
    std::fill(at, to + stride, 0.0f);
    if (++x == grid_w) {
      x = 0;
      if (++y == grid_h) {
        y = 0;
        ++n;
      }
    }
  }
}

template <class T>
void Patches<T>::left(const GemmKernels& kernels, int64_t first, int64_t count, float* a,
                      float* row_buffer) const {
  if (channels % kDepthBlock == 0) {
    thread_local std::vector<const T*> from;
    from.resize(static_cast<size_t>(count));
    const int64_t blocks = channels / kDepthBlock;
    for (const Tap& tap : taps) {
      sources(tap, first, count, from.data());
      gather(kernels, from.data(), 0, count, blocks, a, kDepthBlock, count * kDepthBlock);
      a += blocks * count * kDepthBlock;
    }
    return;
  }
  const int64_t stride = padded_depth(depth());
  plain(kernels, first, count, row_buffer);
  thread_local std::vector<const float*> from;
  from.resize(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) from[static_cast<size_t>(i)] = row_buffer + i * stride;
  kernels.gather(from.data(), 0, count, stride / kDepthBlock, a, kDepthBlock, count * kDepthBlock);
}

template struct Patches<float>;
template struct Patches<bfloat16>;

}  // namespace kestrel::cpu
