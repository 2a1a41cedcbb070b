#include <limits>
#include <type_traits>

#include <kestrel/kernels/cpu/conv2d_gemm.h>
#include <kestrel/kernels/cpu/scratch.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// A block of the left operand is read once per panel of the right one and should stay in L2.
constexpr int64_t kLeftFloats = 96 * 1024;
constexpr int64_t kMaxRowGroups = 8;

}  // namespace

const float* padded_bias(ConstView bias, int64_t padded, std::vector<float>& storage) {
  if (!bias) return nullptr;
  storage.assign(static_cast<size_t>(padded), 0.0f);
  for (int64_t i = 0; i < bias.numel(); ++i) {
    storage[static_cast<size_t>(i)] = bias.dtype == DType::Float32
                                          ? static_cast<const float*>(bias.data)[i]
                                          : static_cast<float>(bias.as<bfloat16>()[i]);
  }
  return storage.data();
}

template <class T, class U>
void multiply_patches(const Patches<T>& patches, const float* packed, int64_t columns,
                      const float* bias, const U* residual, U* output, const OutputGrid& grid,
                      float lower) {
  const GemmKernels& kernels = gemm_kernels();
  const int64_t rows = patches.rows();
  const int64_t depth = padded_depth(patches.depth());
  const int64_t panels = ceil_div(columns, kernels.panel);
  if (rows == 0 || columns == 0) return;
  const int64_t groups = std::clamp<int64_t>(
      kLeftFloats / (std::max<int64_t>(1, depth) * kernels.rows), 1, kMaxRowGroups);
  const int64_t block = std::min(rows, groups * kernels.rows);
  const int64_t blocks = ceil_div(rows, block);
  // Few blocks of rows: split the panels too, so that the threads have something to share.
  const int64_t splits =
      std::clamp<int64_t>(ceil_div(4 * num_threads(), blocks), 1, ceil_div(panels, 4));
  const bool whole_blocks = patches.channels % kDepthBlock == 0;
  parallel_for(blocks * splits, 1, [&](int64_t begin, int64_t) {
    const int64_t first = begin / splits * block, split = begin % splits;
    const int64_t count = std::min(block, rows - first);
    float* left = scratch(Scratch::Left, block * depth);
    float* sums = scratch(Scratch::Sums, block * kernels.panel);
    patches.left(kernels, first, count, left,
                 whole_blocks ? nullptr : scratch(Scratch::Rows, block * depth));
    int64_t offsets[kMaxRowGroups * 16];
    for (int64_t i = 0; i < count; ++i) {
      const int64_t r = first + i;
      offsets[i] = r / (grid.grid_w * grid.grid_h) * grid.image_stride +
                   r / grid.grid_w % grid.grid_h * grid.row_stride +
                   r % grid.grid_w * grid.pixel_stride;
    }
    for (int64_t p = panels * split / splits; p < panels * (split + 1) / splits; ++p) {
      const int64_t column = p * kernels.panel;
      const int64_t width = std::min(kernels.panel, columns - column);
      kernels.multiply(count, width, depth, left, count, packed + column * depth, sums,
                       kernels.panel);
      store(kernels, TileStore<U>{.sums = sums,
                                  .stride = kernels.panel,
                                  .rows = count,
                                  .columns = width,
                                  .bias = bias ? bias + column : nullptr,
                                  .residual = residual ? residual + column : nullptr,
                                  .output = output + column,
                                  .offsets = offsets,
                                  .lower = lower});
    }
  });
}

template void multiply_patches(const Patches<float>&, const float*, int64_t, const float*,
                               const float*, float*, const OutputGrid&, float);
template void multiply_patches(const Patches<bfloat16>&, const float*, int64_t, const float*,
                               const bfloat16*, bfloat16*, const OutputGrid&, float);
template void multiply_patches(const Patches<bfloat16>&, const float*, int64_t, const float*,
                               const float*, float*, const OutputGrid&, float);

template <class T, class W>
void multiply_transposed_patches(const T* left, int64_t left_stride, int64_t outputs,
                                 const Patches<T>& patches, W* result, int64_t result_stride) {
  const GemmKernels& kernels = gemm_kernels();
  constexpr int64_t kBlock = 128;       // rows of a block: a right panel of them stays in L1
  constexpr int64_t kMaxOutputs = 512;  // columns of left in one item
  constexpr int64_t kMaxPanels = 8;     // panels of patches in one item
  constexpr int64_t kItems = 16;
  const int64_t rows = patches.rows(), depth = patches.depth();
  const int64_t panel = kernels.panel, panels = ceil_div(depth, panel);
  if (outputs == 0 || depth == 0) return;
  const int64_t o_splits = ceil_div(outputs, kMaxOutputs);
  const int64_t p_splits = ceil_div(panels, kMaxPanels);
  // The rows are split by the shapes alone: the sum must not depend on the number of threads.
  const int64_t blocks = ceil_div(rows, kBlock);
  const int64_t chunks =
      std::clamp<int64_t>(kItems / (o_splits * p_splits), 1, std::max<int64_t>(1, blocks / 4));
  const int64_t plane = outputs * panels * panel;
  float* sums = scratch(Scratch::Gradient, chunks * plane);  // (chunks, panels, outputs, panel)
  const bool whole_panels = patches.channels % panel == 0;
  const int64_t plain_stride = padded_depth(depth);

  parallel_for(chunks * o_splits * p_splits, 1, [&](int64_t item, int64_t) {
    const int64_t chunk = item % chunks, p_split = item / chunks % p_splits;
    const int64_t o_split = item / chunks / p_splits;
    const int64_t o_begin = outputs * o_split / o_splits;
    const int64_t o_count = outputs * (o_split + 1) / o_splits - o_begin;
    const int64_t p_begin = panels * p_split / p_splits, p_end = panels * (p_split + 1) / p_splits;
    // Not a power of two: the rows of one column should not share a set of the cache.
    const int64_t o_stride = ceil_div(o_count, 16) * 16 + 16;
    float* a = scratch(Scratch::Left, kBlock * o_stride);
    float* b = scratch(Scratch::Right, kBlock * panel);
    float* plain = whole_panels ? nullptr : scratch(Scratch::Rows, kBlock * plain_stride);
    bool started = false;
    const T* from[kBlock];
    for (int64_t block = blocks * chunk / chunks; block < blocks * (chunk + 1) / chunks; ++block) {
      const int64_t first = block * kBlock, count = std::min(kBlock, rows - first);
      copy_rows(kernels, left + first * left_stride + o_begin, left_stride, count, o_count, o_count,
                a, o_stride);
      if (!whole_panels) patches.plain(kernels, first, count, plain);
      for (int64_t p = p_begin; p < p_end; ++p) {
        const int64_t column = p * panel;
        const int64_t width = std::min(panel, depth - column);
        if (whole_panels) {
          patches.sources(patches.taps[static_cast<size_t>(column / patches.channels)], first,
                          count, from);
          for (int64_t i = 0; i < count; ++i) {
            if (from[i]) from[i] += column % patches.channels;
          }
          gather(kernels, from, count, panel / kDepthBlock, b, panel, kDepthBlock);
        } else {
          kernels.copy_rows(plain + column, plain_stride, count, width, panel, b, panel);
        }
        kernels.multiply_transposed(o_count, width, count, a, o_stride, b,
                                    sums + chunk * plane + (p * outputs + o_begin) * panel, panel,
                                    started);
      }
      started = true;
    }
    if (!started) {
      for (int64_t p = p_begin; p < p_end; ++p) {
        float* to = sums + chunk * plane + (p * outputs + o_begin) * panel;
        std::fill(to, to + o_count * panel, 0.0f);
      }
    }
  });

  parallel_for(outputs, 8, [&](int64_t begin, int64_t end) {
    std::vector<float> sum(static_cast<size_t>(panel));
    for (int64_t o = begin; o < end; ++o) {
      for (int64_t p = 0; p < panels; ++p) {
        const float* from = sums + (p * outputs + o) * panel;
        std::copy(from, from + panel, sum.begin());
        for (int64_t chunk = 1; chunk < chunks; ++chunk) {
          from += plane;
          for (int64_t j = 0; j < panel; ++j) sum[static_cast<size_t>(j)] += from[j];
        }
        W* to = result + o * result_stride + p * panel;
        const int64_t width = std::min(panel, depth - p * panel);
        for (int64_t j = 0; j < width; ++j) to[j] = static_cast<W>(sum[static_cast<size_t>(j)]);
      }
    }
  });
}

template void multiply_transposed_patches(const float*, int64_t, int64_t, const Patches<float>&,
                                          float*, int64_t);
template void multiply_transposed_patches(const bfloat16*, int64_t, int64_t,
                                          const Patches<bfloat16>&, float*, int64_t);
template void multiply_transposed_patches(const bfloat16*, int64_t, int64_t,
                                          const Patches<bfloat16>&, bfloat16*, int64_t);

}  // namespace kestrel::cpu
