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

/// How a product is divided into items that threads take, and these into calls of the kernel.
struct Division {
  int64_t rows;    ///< Of an item.
  int64_t depth;   ///< Of a call: the left operand's rows and the panel should stay in L2 together.
  int64_t splits;  ///< Of the columns.
};

constexpr int64_t kMaxRows = 512;
constexpr int64_t kWholeDepth = 2048;  // up to which a call has the whole depth

Division division_of(int64_t rows, int64_t depth, int64_t columns) {
  constexpr int64_t kItemFloats = 64 * 1024;  // of the left operand
  constexpr int64_t kMinGroups = 4, kMaxGroups = 8;
  constexpr int64_t kDeepGroups = 16, kDeepChunk = 512, kDeepColumns = 512;
  const GemmKernels& kernels = gemm_kernels();
  const bool deep = depth > kWholeDepth;
  // A panel that is read serves some groups of as many rows as the registers hold. The fewer they
  // are, the more often all panels are read.
  const int64_t fitting = kItemFloats / (std::max<int64_t>(1, depth) * kernels.rows);
  const int64_t groups = deep ? kDeepGroups : std::clamp(fitting, kMinGroups, kMaxGroups);
  Division d{.rows = std::min({rows, groups * kernels.rows, kMaxRows}),
             .depth = deep ? kDeepChunk : std::max<int64_t>(1, depth),
             .splits = 1};
  // Few items: split the columns too, so that the threads have something to share.
  const int64_t most = ceil_div(ceil_div(columns, kernels.panel), 4);
  d.splits = std::clamp<int64_t>(ceil_div(4 * num_threads(), ceil_div(rows, d.rows)), 1, most);
  if (deep) d.splits = std::max(d.splits, ceil_div(columns, kDeepColumns));
  return d;
}

/// The left operand where it is read as it lies, else null.
const float* left_in_place(const Patches<float>& patches) {
  return patches.rows_are_pixels() && patches.channels % kDepthBlock == 0 ? patches.data : nullptr;
}
const float* left_in_place(const Patches<bfloat16>&) {
  return nullptr;
}

// Outputs larger than this have left the caches before anybody reads them.
constexpr int64_t kStreamFloats = int64_t{8} << 20;

/// Whether an output is written past the caches.
bool streams(const float* output, const float* residual, int64_t rows, int64_t columns,
             const OutputGrid& grid) {
  return !residual && rows * columns >= kStreamFloats && grid.pixel_stride % 16 == 0 &&
         grid.row_stride % 16 == 0 && grid.image_stride % 16 == 0 &&
         reinterpret_cast<uintptr_t>(output) % 64 == 0;
}
bool streams(const bfloat16*, const bfloat16*, int64_t, int64_t, const OutputGrid&) {
  return false;
}

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

void scale_panel(const float* factors, int64_t columns, int64_t width, int64_t depth,
                 float* panel) {
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t j = 0; j < columns; ++j) panel[k * width + j] *= factors[j];
  }
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
  const Division by = division_of(rows, depth, columns);
  const int64_t block = by.rows, splits = by.splits;
  const bool chunked = depth > by.depth;
  const bool whole_blocks = patches.channels % kDepthBlock == 0;
  const float* in_place = left_in_place(patches);
  const bool pixels = patches.rows_are_pixels() && patches.channels == patches.pixel_stride;
  const bool stream = streams(output, residual, rows, columns, grid);
  const int64_t threads = num_threads();
  parallel_for(ceil_div(rows, block) * splits, 1, [&](int64_t begin, int64_t) {
    const int64_t first = begin / splits * block, split = begin % splits;
    const int64_t count = std::min(block, rows - first);
    const int64_t p_begin = panels * split / splits, p_end = panels * (split + 1) / splits;
    const int64_t sum_stride = (chunked ? p_end - p_begin : 1) * kernels.panel + 16;
    float* sums = scratch(Scratch::Sums, block * sum_stride);
    const float* left = in_place + first * patches.pixel_stride;
    if (!in_place) {
      float* packed_left = scratch(Scratch::Left, block * depth);
      patches.left(kernels, first, count, packed_left,
                   whole_blocks ? nullptr : scratch(Scratch::Rows, block * depth));
      left = packed_left;
    }
    const int64_t a_row = in_place ? patches.pixel_stride : kDepthBlock;
    const int64_t a_block = in_place ? kDepthBlock : count * kDepthBlock;
    int64_t offsets[kMaxRows];
    for (int64_t i = 0; i < count; ++i) {
      const int64_t r = first + i;
      offsets[i] = r / (grid.grid_w * grid.grid_h) * grid.image_stride +
                   r / grid.grid_w % grid.grid_h * grid.row_stride +
                   r % grid.grid_w * grid.pixel_stride;
    }
    // What the item after this one, on this thread, will probably read.
    const int64_t next = std::min(rows, (begin + threads) / splits * block);
    const int64_t next_floats =
        pixels && next > first
            ? std::min(block, rows - next) * patches.channels * static_cast<int64_t>(sizeof(T)) / 4
            : 0;
    const int64_t calls = (p_end - p_begin) * ceil_div(depth, by.depth);
    const int64_t share = ceil_div(next_floats, std::max<int64_t>(1, calls) * 16) * 16;
    Ahead ahead{reinterpret_cast<const float*>(patches.data + next * patches.channels), share};
    for (int64_t k = 0; k < std::max<int64_t>(1, depth); k += by.depth) {
      const int64_t chunk = std::min(by.depth, depth - k);
      for (int64_t p = p_begin; p < p_end; ++p) {
        const int64_t column = p * kernels.panel;
        const int64_t width = std::min(kernels.panel, columns - column);
        float* sum = sums + (chunked ? (p - p_begin) * kernels.panel : 0);
        const TileStore<U> tile{.sums = sum,
                                .stride = sum_stride,
                                .rows = count,
                                .columns = width,
                                .bias = bias ? bias + column : nullptr,
                                .residual = residual ? residual + column : nullptr,
                                .output = output + column,
                                .offsets = offsets,
                                .lower = lower,
                                .stream = stream};
        PanelProduct product{.rows = count,
                             .columns = width,
                             .depth = chunk,
                             .a = left + k / kDepthBlock * a_block,
                             .a_row = a_row,
                             .a_block = a_block,
                             .b = packed + column * depth + k * kernels.panel,
                             .sums = sum,
                             .sum_stride = sum_stride,
                             .accumulate = k > 0,
                             .ahead = ahead};
        ahead.data += share;
        const bool last = k + chunk >= depth;
        if constexpr (std::is_same_v<U, float>) {
          if (last) product.store = &tile;
          kernels.multiply(product);
        } else {
          kernels.multiply(product);
          if (last) store(kernels, tile);
        }
      }
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
  // The left and the right operand of a block and the sums of an item stay in L2 together.
  constexpr int64_t kBlock = 192;       // rows of a block
  constexpr int64_t kGathered = 16;     // of them gathered at a time, for all panels
  constexpr int64_t kMaxOutputs = 256;  // columns of left in one item
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
  const bool whole_panels = patches.channels % panel == 0 && panel % kDepthBlock == 0;
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
    float* b = scratch(Scratch::Right, (p_end - p_begin) * kBlock * panel);
    float* plain = whole_panels ? nullptr : scratch(Scratch::Rows, kBlock * plain_stride);
    bool started = false;
    const T* from[kGathered];
    for (int64_t block = blocks * chunk / chunks; block < blocks * (chunk + 1) / chunks; ++block) {
      const int64_t first = block * kBlock, count = std::min(kBlock, rows - first);
      copy_rows(kernels, left + first * left_stride + o_begin, left_stride, count, o_count, o_count,
                a, o_stride);
      if (!whole_panels) patches.plain(kernels, first, count, plain);
      for (int64_t i = 0; i < count; i += kGathered) {
        const int64_t some = std::min(kGathered, count - i);
        int64_t known_tap = -1;
        for (int64_t p = p_begin; p < p_end; ++p) {
          const int64_t column = p * panel;
          float* to = b + ((p - p_begin) * kBlock + i) * panel;
          if (!whole_panels) {
            kernels.copy_rows(plain + i * plain_stride + column, plain_stride, some,
                              std::min(panel, depth - column), panel, to, panel);
            continue;
          }
          const int64_t tap = column / patches.channels;
          if (tap != known_tap) {
            patches.sources(patches.taps[static_cast<size_t>(tap)], first + i, some, from);
            known_tap = tap;
          }
          gather(kernels, from, column % patches.channels, some, panel / kDepthBlock, to, panel,
                 kDepthBlock);
        }
      }
      for (int64_t p = p_begin; p < p_end; ++p) {
        kernels.multiply_transposed(o_count, std::min(panel, depth - p * panel), count, a, o_stride,
                                    b + (p - p_begin) * kBlock * panel,
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
