#include <algorithm>

#include <kestrel/kernels/cpu/conv2d_gemm.h>
#include <kestrel/kernels/cpu/scratch.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {

bool rows_overlap(const Conv2dGeometry& g) {
  return g.groups == 1 && g.dilation_h == 1 && g.dilation_w == 1 &&
         g.channels * g.stride_w == kOverlapStep && g.channels % kDepthBlock != 0;
}

template <class T>
void multiply_overlapping(const Conv2dGeometry& g, const T* input, const float* packed,
                          const float* bias, const T* residual, T* output, float lower) {
  constexpr int64_t kOutputRows = 4;  // of one item: their input rows are shared, and fit L2
  constexpr int64_t kPixels = 96;
  const GemmKernels& kernels = gemm_kernels();
  const int64_t length = g.kernel_w * g.channels;
  const int64_t panel_floats = padded_depth(g.kernel_h * length) * kernels.panel;
  const int64_t row_floats = (g.width + 2 * g.pad_w) * g.channels;
  const int64_t bands = (g.out_h + kOutputRows - 1) / kOutputRows;
  parallel_for(g.batch * bands, 1, [&](int64_t item, int64_t) {
    const int64_t n = item / bands, first = item % bands * kOutputRows;
    const int64_t count = std::min(kOutputRows, g.out_h - first);
    // The padded input rows of the band, as float32.
    const int64_t in_rows = (count - 1) * g.stride_h + g.kernel_h;
    float* rows = scratch(Scratch::Left, in_rows * row_floats);
    float* sums = scratch(Scratch::Sums, kPixels * kernels.panel);
    for (int64_t i = 0; i < in_rows; ++i) {
      const int64_t y = first * g.stride_h - g.pad_h + i;
      float* row = rows + i * row_floats;
      if (y < 0 || y >= g.height) {
        std::fill(row, row + row_floats, 0.0f);
        continue;
      }
      const int64_t pad = g.pad_w * g.channels, size = g.width * g.channels;
      std::fill(row, row + pad, 0.0f);
      copy_rows(kernels, input + (n * g.height + y) * size, 0, 1, size, size, row + pad, 0);
      std::fill(row + pad + size, row + row_floats, 0.0f);
    }
    int64_t offsets[kPixels];
    for (int64_t i = 0; i < kPixels; ++i) offsets[i] = i * g.outputs;
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t x = 0; x < g.out_w; x += kPixels) {
        const int64_t pixels = std::min(kPixels, g.out_w - x);
        const int64_t at = ((n * g.out_h + first + r) * g.out_w + x) * g.outputs;
        for (int64_t column = 0; column < g.outputs; column += kernels.panel) {
          const int64_t width = std::min(kernels.panel, g.outputs - column);
          kernels.multiply_overlapping(pixels, width, g.kernel_h, length,
                                       rows + r * g.stride_h * row_floats + x * kOverlapStep,
                                       row_floats, packed + column / kernels.panel * panel_floats,
                                       sums, kernels.panel);
          store(kernels, TileStore<T>{.sums = sums,
                                      .stride = kernels.panel,
                                      .rows = pixels,
                                      .columns = width,
                                      .bias = bias ? bias + column : nullptr,
                                      .residual = residual ? residual + at + column : nullptr,
                                      .output = output + at + column,
                                      .offsets = offsets,
                                      .lower = lower});
        }
      }
    }
  });
}

template void multiply_overlapping(const Conv2dGeometry&, const float*, const float*, const float*,
                                   const float*, float*, float);
template void multiply_overlapping(const Conv2dGeometry&, const bfloat16*, const float*,
                                   const float*, const bfloat16*, bfloat16*, float);

}  // namespace kestrel::cpu
