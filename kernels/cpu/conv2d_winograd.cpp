#include <kestrel/kernels/cpu/conv2d_winograd.h>

#include <algorithm>
#include <limits>
#include <vector>

#include <kestrel/kernels/cpu/conv2d_gemm.h>
#include <kestrel/kernels/cpu/scratch.h>
#include <kestrel/kernels/cpu/weight_cache.h>
#include <kestrel/kernels/cpu/winograd_kernels.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Keeps the 36 streams of a transform from falling into one set of the cache.
constexpr int64_t kSkew = 16 * 5;

void input(const TileIn<float>& tile, int64_t padded, const PointsOut& out) {
  winograd_kernels().input(tile, padded, out);
}
void input(const TileIn<bfloat16>& tile, int64_t padded, const PointsOut& out) {
  winograd_kernels().input_bf16(tile, padded, out);
}
void gradient(const TileIn<float>& tile, int64_t padded, const PointsOut& out) {
  winograd_kernels().gradient(tile, padded, out);
}
void gradient(const TileIn<bfloat16>& tile, int64_t padded, const PointsOut& out) {
  winograd_kernels().gradient_bf16(tile, padded, out);
}
void output_tile(const TileOut<float>& tile) {
  winograd_kernels().output(tile);
}
void output_tile(const TileOut<bfloat16>& tile) {
  winograd_kernels().output_bf16(tile);
}

template <class F>
void visit_float_or_bfloat16(DType dtype, F&& f) {
  if (dtype == DType::Float32) {
    f(float{});
  } else {
    f(bfloat16{});
  }
}

/// The tiles that cover the outputs of a batch.
struct Tiles {
  int64_t batch, height, width;  // in tiles

  Tiles(int64_t images, int64_t out_h, int64_t out_w)
      : batch(images), height(ceil_div(out_h, kTile)), width(ceil_div(out_w, kTile)) {}
  int64_t count() const { return batch * height * width; }
  int64_t image(int64_t i) const { return i / (height * width); }
  int64_t y(int64_t i) const { return i / width % height * kTile; }
  int64_t x(int64_t i) const { return i % width * kTile; }
};

/// A convolution of `from` (N, height, width, channels) to (N, out_h, out_w, columns).
template <class T>
struct Product {
  const T* from;
  int64_t batch, height, width, channels;
  int64_t pad_h, pad_w;
  const float* panels;  ///< (kPoints, panels, padded_depth(channels), panel)
  const float* bias;
  const T* residual;
  T* to;
  int64_t out_h, out_w, columns;
  float lower;
};

/// Tiles per block. A block's points should stay near the core, which wants few tiles, and each
/// block reads all weights, which wants many: measured best at one group of the register rows per
/// 64 channels.
int64_t tiles_per_block(int64_t tiles, int64_t channels, int64_t rows) {
  const int64_t most = std::clamp<int64_t>(channels / 64, 1, 8) * rows;
  return ceil_div(tiles, ceil_div(tiles, most));
}

template <class T>
void multiply(const Product<T>& p) {
  constexpr int64_t kMinPanels = 4;  // that a transformed block is used for
  const GemmKernels& kernels = gemm_kernels();
  const Tiles tiles(p.batch, p.out_h, p.out_w);
  const int64_t depth = padded_depth(p.channels);
  const int64_t panels = ceil_div(p.columns, kernels.panel);
  const int64_t block =
      tiles_per_block(tiles.count(), std::max(p.channels, p.columns), kernels.rows);
  const int64_t blocks = ceil_div(tiles.count(), block);
  // Few blocks: the threads share the columns, so that each weight is still read once.
  const int64_t splits = std::clamp<int64_t>(ceil_div(4 * num_threads(), blocks), 1,
                                             std::max<int64_t>(1, panels / kMinPanels));
  const int64_t in_stride = block * depth + kSkew;
  const int64_t row_stride = ceil_div(panels, splits) * kernels.panel + 16;
  const int64_t out_stride = block * row_stride + kSkew;
  parallel_for(blocks * splits, 1, [&](int64_t item, int64_t) {
    const int64_t begin = item / splits * block, split = item % splits;
    const int64_t count = std::min(block, tiles.count() - begin);
    const int64_t p_begin = panels * split / splits, p_end = panels * (split + 1) / splits;
    const int64_t first = p_begin * kernels.panel;
    const int64_t columns = std::min(p.columns, p_end * kernels.panel) - first;
    float* points = scratch(Scratch::Left, kPoints * in_stride);
    float* sums = scratch(Scratch::Sums, kPoints * out_stride);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t tile = begin + i;
      input(TileIn<T>{.image = p.from + tiles.image(tile) * p.height * p.width * p.channels,
                      .height = p.height,
                      .width = p.width,
                      .channels = p.channels,
                      .y = tiles.y(tile) - p.pad_h,
                      .x = tiles.x(tile) - p.pad_w},
            depth,
            {.data = points + i * kDepthBlock,
             .point_stride = in_stride,
             .width = kDepthBlock,
             .width_stride = count * kDepthBlock});
    }
    for (int64_t point = 0; point < kPoints; ++point) {
      for (int64_t panel = p_begin; panel < p_end; ++panel) {
        kernels.multiply({.rows = count,
                          .columns = std::min(kernels.panel, p.columns - panel * kernels.panel),
                          .depth = depth,
                          .a = points + point * in_stride,
                          .a_row = kDepthBlock,
                          .a_block = count * kDepthBlock,
                          .b = p.panels + (point * panels + panel) * depth * kernels.panel,
                          .sums = sums + point * out_stride + (panel - p_begin) * kernels.panel,
                          .sum_stride = row_stride});
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      const int64_t tile = begin + i;
      const int64_t y = tiles.y(tile), x = tiles.x(tile);
      const int64_t at = ((tiles.image(tile) * p.out_h + y) * p.out_w + x) * p.columns + first;
      output_tile(TileOut<T>{.points = sums + i * row_stride,
                             .point_stride = out_stride,
                             .columns = columns,
                             .rows_valid = std::min(kTile, p.out_h - y),
                             .columns_valid = std::min(kTile, p.out_w - x),
                             .bias = p.bias ? p.bias + first : nullptr,
                             .residual = p.residual ? p.residual + at : nullptr,
                             .output = p.to + at,
                             .row_stride = p.out_w * p.columns,
                             .pixel_stride = p.columns,
                             .lower = p.lower});
    }
  });
}

}  // namespace

// Winograd has a quarter of the products, but transforms both sides and reads four times the
// weights. Measured: it wins from 16 channels on both sides, once there are enough tiles to use
// each weight that is read; from half as many where packed weights are kept. The lower bound also
// spares weights that several sizes of map share a second packing.
bool winograd_pays(const Conv2dGeometry& g, bool weights_are_kept) {
  const int64_t fewest = weights_are_kept ? 6 : 12;
  return g.kernel_h == 3 && g.kernel_w == 3 && g.stride_h == 1 && g.stride_w == 1 &&
         g.dilation_h == 1 && g.dilation_w == 1 && g.groups == 1 && g.pad_h <= 2 && g.pad_w <= 2 &&
         g.group_c >= 16 && g.group_o >= 16 && Tiles(g.batch, g.out_h, g.out_w).count() >= fewest;
}

void conv2d_forward_winograd(const Conv2dGeometry& g, ConstView input_view, ConstView weight,
                             ConstView bias, ConstView residual, View output,
                             const Conv2dParams& params) {
  const GemmKernels& kernels = gemm_kernels();
  const int64_t panels = ceil_div(g.outputs, kernels.panel);
  const int64_t panel_floats = padded_depth(g.channels) * kernels.panel;
  std::vector<float> bias_storage;
  const float* bias_data = padded_bias(bias, panels * kernels.panel, bias_storage);
  visit_float_or_bfloat16(input_view.dtype, [&](auto type) {
    using T = decltype(type);
    const PackedWeights packed = packed_weights(
        params.weight_key, Packing::WinogradForward, 0, kPoints * panels * panel_floats,
        [&](float* to) {
          parallel_for(panels, 1, [&](int64_t i, int64_t) {
            const int64_t o = i * kernels.panel, columns = std::min(kernels.panel, g.outputs - o);
            const T* from = weight.as<T>() + o * 9 * g.channels;
            float* panel = to + i * panel_floats;
            if constexpr (std::is_same_v<T, float>) {
              winograd_kernels().weight(from, g.channels, columns, panel, panels * panel_floats);
            } else {
              winograd_kernels().weight_bf16(from, g.channels, columns, panel,
                                             panels * panel_floats);
            }
            if (!params.weight_scale) return;
            for (int64_t point = 0; point < kPoints; ++point) {
              scale_panel(params.weight_scale + o, columns, kernels.panel, padded_depth(g.channels),
                          panel + point * panels * panel_floats);
            }
          });
        });
    multiply(Product<T>{.from = input_view.as<T>(),
                        .batch = g.batch,
                        .height = g.height,
                        .width = g.width,
                        .channels = g.channels,
                        .pad_h = g.pad_h,
                        .pad_w = g.pad_w,
                        .panels = packed.data,
                        .bias = bias_data,
                        .residual = residual ? residual.as<T>() : nullptr,
                        .to = output.as<T>(),
                        .out_h = g.out_h,
                        .out_w = g.out_w,
                        .columns = g.outputs,
                        .lower = params.relu ? 0.0f : -std::numeric_limits<float>::infinity()});
  });
}

void conv2d_backward_data_winograd(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                                   View grad_input, uint64_t weight_key) {
  const GemmKernels& kernels = gemm_kernels();
  const int64_t panels = ceil_div(g.channels, kernels.panel);
  const int64_t panel_floats = padded_depth(g.outputs) * kernels.panel;
  visit_float_or_bfloat16(grad_output.dtype, [&](auto type) {
    using T = decltype(type);
    const PackedWeights packed = packed_weights(
        weight_key, Packing::WinogradBackwardData, 0, kPoints * panels * panel_floats,
        [&](float* to) {
          parallel_for(panels, 1, [&](int64_t i, int64_t) {
            const int64_t c = i * kernels.panel, columns = std::min(kernels.panel, g.channels - c);
            const T* from = weight.as<T>() + c;
            float* panel = to + i * panel_floats;
            if constexpr (std::is_same_v<T, float>) {
              winograd_kernels().weight_turned(from, g.outputs, g.channels, columns, panel,
                                               panels * panel_floats);
            } else {
              winograd_kernels().weight_turned_bf16(from, g.outputs, g.channels, columns, panel,
                                                    panels * panel_floats);
            }
          });
        });
    multiply(Product<T>{.from = grad_output.as<T>(),
                        .batch = g.batch,
                        .height = g.out_h,
                        .width = g.out_w,
                        .channels = g.outputs,
                        .pad_h = 2 - g.pad_h,
                        .pad_w = 2 - g.pad_w,
                        .panels = packed.data,
                        .bias = nullptr,
                        .residual = nullptr,
                        .to = grad_input.as<T>(),
                        .out_h = g.height,
                        .out_w = g.width,
                        .columns = g.channels,
                        .lower = -std::numeric_limits<float>::infinity()});
  });
}

void conv2d_backward_weights_winograd(const Conv2dGeometry& g, ConstView input_view,
                                      ConstView grad_output, View grad_weight) {
  const GemmKernels& kernels = gemm_kernels();
  constexpr int64_t kBlock = 128;  // tiles of a block
  const Tiles tiles(g.batch, g.out_h, g.out_w);
  const int64_t block = std::min(kBlock, tiles.count());
  const int64_t panels = ceil_div(g.channels, kernels.panel);
  const int64_t panel_floats = block * kernels.panel;
  const int64_t in_stride = panels * panel_floats + kSkew;
  const int64_t o_stride = ceil_div(g.outputs, 16) * 16 + 16;
  const int64_t out_stride = block * o_stride + kSkew;
  // (points, panels, outputs, panel): every block adds to it.
  const int64_t sum_stride = panels * g.outputs * kernels.panel + kSkew;
  float* sums = scratch(Scratch::Gradient, kPoints * sum_stride);
  float* in_points = scratch(Scratch::Right, kPoints * in_stride);
  float* out_points = scratch(Scratch::Rows, kPoints * out_stride);
  visit_float_or_bfloat16(input_view.dtype, [&](auto type) {
    using T = decltype(type);
    const T* from = input_view.as<T>();
    const T* grad = grad_output.as<T>();
    for (int64_t first = 0; first < tiles.count(); first += block) {
      const int64_t count = std::min(block, tiles.count() - first);
      parallel_for(count, 8, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t tile = first + i;
          const int64_t n = tiles.image(tile), y = tiles.y(tile), x = tiles.x(tile);
          input(TileIn<T>{.image = from + n * g.height * g.width * g.channels,
                          .height = g.height,
                          .width = g.width,
                          .channels = g.channels,
                          .y = y - g.pad_h,
                          .x = x - g.pad_w},
                panels * kernels.panel,
                {.data = in_points + i * kernels.panel,
                 .point_stride = in_stride,
                 .width = kernels.panel,
                 .width_stride = panel_floats});
          gradient(TileIn<T>{.image = grad + n * g.out_h * g.out_w * g.outputs,
                             .height = g.out_h,
                             .width = g.out_w,
                             .channels = g.outputs,
                             .y = y,
                             .x = x},
                   ceil_div(g.outputs, 16) * 16,
                   {.data = out_points + i * o_stride,
                    .point_stride = out_stride,
                    .width = o_stride,
                    .width_stride = 0});
        }
      });
      parallel_for(kPoints, 1, [&](int64_t point, int64_t) {
        for (int64_t panel = 0; panel < panels; ++panel) {
          kernels.multiply_transposed(g.outputs,
                                      std::min(kernels.panel, g.channels - panel * kernels.panel),
                                      count, out_points + point * out_stride, o_stride,
                                      in_points + point * in_stride + panel * panel_floats,
                                      sums + point * sum_stride + panel * g.outputs * kernels.panel,
                                      kernels.panel, first > 0);
        }
      });
    }
    parallel_for(g.outputs, 4, [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        const float* points = sums + o * kernels.panel;
        const int64_t width_stride = g.outputs * kernels.panel;
        const int64_t to = o * 9 * g.channels;
        if (grad_weight.dtype == DType::Float32) {
          winograd_kernels().weight_gradient(points, sum_stride, kernels.panel, width_stride,
                                             g.channels, grad_weight.as<float>() + to);
        } else {
          winograd_kernels().weight_gradient_bf16(points, sum_stride, kernels.panel, width_stride,
                                                  g.channels, grad_weight.as<bfloat16>() + to);
        }
      }
    });
  });
}

}  // namespace kestrel::cpu
