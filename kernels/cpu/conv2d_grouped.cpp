#include <algorithm>
#include <limits>

#include <kestrel/kernels/cpu/conv2d_gemm.h>
#include <kestrel/kernels/cpu/conv2d_groups.h>
#include <kestrel/kernels/cpu/group_kernels.h>
#include <kestrel/kernels/cpu/scratch.h>
#include <kestrel/kernels/cpu/weight_cache.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kRowPixels = 48;           // outputs of a row in one item, at most
constexpr int64_t kBandChannels = 256;       // of the input in one item, unless a group is wider
constexpr int64_t kBandFloats = 112 * 1024;  // of the input in one item: it should stay in L2
constexpr int64_t kBandRows = 8;             // of the output in one item, at most
constexpr int64_t kSetSkew = 16;             // keeps blocks from falling into one set of the cache
constexpr int64_t kLineFloats = 16;

int64_t ceil_quotient(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// Outputs of one group that are computed at a time.
int64_t width_of(int64_t group_o) {
  int64_t width = 2 * group_kernels().lanes;
  while (group_o % width != 0) width /= 2;
  return width;
}

/// (O / width, kh, kw, channels of a group, width) from weight(o, ky, kx, c).
template <class F>
void pack_groups(const Conv2dGeometry& g, F weight, float* to) {
  const int64_t width = width_of(g.group_o);
  const int64_t block = g.kernel_h * g.kernel_w * g.group_c * width;
  parallel_for(g.outputs / width, 1, [=](int64_t i, int64_t) {
    float* at = to + i * block;
    for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
      for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
        for (int64_t c = 0; c < g.group_c; ++c) {
          for (int64_t j = 0; j < width; ++j) *at++ = weight(i * width + j, ky, kx, c);
        }
      }
    }
  });
}

/// Pixels [x, x + count) of input row y, `channels` of each, in blocks; zeros outside the image.
template <class T>
void copy_blocks(const Conv2dGeometry& g, const T* image, int64_t channels, int64_t y, int64_t x,
                 int64_t count, int64_t block_stride, float* to) {
  const int64_t blocks = channels / kGroupBlock;
  const int64_t begin = y < 0 || y >= g.height ? count : std::clamp<int64_t>(-x, 0, count);
  const int64_t end = std::clamp<int64_t>(g.width - x, begin, count);
  for (int64_t b = 0; b < blocks; ++b) {
    float* row = to + b * block_stride;
    std::fill(row, row + begin * kGroupBlock, 0.0f);
    std::fill(row + end * kGroupBlock, row + count * kGroupBlock, 0.0f);
  }
  for (int64_t i = begin; i < end; ++i) {
    const T* from = image + (y * g.width + x + i) * g.channels;
    float* pixel = to + i * kGroupBlock;
    for (int64_t b = 0; b < blocks; ++b) {
      for (int64_t c = 0; c < kGroupBlock; ++c) pixel[c] = static_cast<float>(from[c]);
      from += kGroupBlock;
      pixel += block_stride;
    }
  }
}

/// How a convolution is divided into items: bands of rows, parts of a row, splits of the groups.
struct Division {
  int64_t rows, bands, pixels, parts, groups, splits;
  int64_t in_rows, in_pixels;  // of an item, with those that are read for pixels that do not count

  Division(const Conv2dGeometry& g, int64_t strip) {
    parts = ceil_quotient(g.out_w, kRowPixels);
    pixels = ceil_quotient(ceil_quotient(g.out_w, parts), kGroupPixels) * kGroupPixels;
    parts = ceil_quotient(g.out_w, pixels);
    in_pixels = (pixels + kGroupPixels - 1) * g.stride_w + g.dilation_w * (g.kernel_w - 1) + 1;
    groups = std::clamp<int64_t>(kBandChannels / g.group_c, 1, g.groups);
    if (groups * g.group_o % strip != 0 || groups * g.group_c % kGroupBlock != 0) groups = g.groups;
    splits = ceil_quotient(g.groups, groups);
    for (rows = std::min(kBandRows, g.out_h);; --rows) {
      in_rows = (rows - 1) * g.stride_h + g.dilation_h * (g.kernel_h - 1) + 1;
      if (rows == 1 || in_rows * in_pixels * groups * g.group_c <= kBandFloats) break;
    }
    bands = ceil_quotient(g.out_h, rows);
  }
};

template <class T>
void multiply_groups(const Conv2dGeometry& g, const T* input, const float* packed,
                     const float* bias, const T* residual, T* output, float lower) {
  const GroupKernels& kernels = group_kernels();
  const int64_t width = width_of(g.group_o), strip = std::max(kLineFloats, width);
  const int64_t block = g.kernel_h * g.kernel_w * g.group_c * width;
  const Division by(g, strip);
  const int64_t row_floats = by.in_pixels * kGroupBlock;
  const int64_t block_stride = by.in_rows * row_floats + kSetSkew;
  parallel_for(g.batch * by.bands * by.parts * by.splits, 1, [&](int64_t item, int64_t) {
    const int64_t first_group = item % by.splits * by.groups;
    const int64_t first_x = item / by.splits % by.parts * by.pixels;
    const int64_t first_y = item / by.splits / by.parts % by.bands * by.rows;
    const int64_t n = item / by.splits / by.parts / by.bands;
    const int64_t groups = std::min(by.groups, g.groups - first_group);
    const int64_t first_c = first_group * g.group_c, channels = groups * g.group_c;
    const int64_t first_o = first_group * g.group_o, end_o = first_o + groups * g.group_o;
    const int64_t rows = std::min(by.rows, g.out_h - first_y);
    const int64_t pixels = std::min(by.pixels, g.out_w - first_x);
    float* band = scratch(Scratch::Left, channels / kGroupBlock * block_stride);
    float* sums = scratch(Scratch::Sums, (by.pixels + kGroupPixels) * strip);
    const int64_t last_row = (rows - 1) * g.stride_h + g.dilation_h * (g.kernel_h - 1);
    for (int64_t i = 0; i <= last_row; ++i) {
      copy_blocks(g, input + n * g.height * g.width * g.channels + first_c, channels,
                  first_y * g.stride_h - g.pad_h + i, first_x * g.stride_w - g.pad_w,
                  (pixels - 1) * g.stride_w + g.dilation_w * (g.kernel_w - 1) + 1, block_stride,
                  band + i * row_floats);
    }
    int64_t offsets[kRowPixels + kGroupPixels];
    for (int64_t i = 0; i < pixels; ++i) offsets[i] = i * g.outputs;
    for (int64_t o = first_o; o < end_o; o += strip) {
      const int64_t columns = std::min(strip, end_o - o);
      for (int64_t y = 0; y < rows; ++y) {
        for (int64_t j = 0; j < columns; j += width) {
          const int64_t c = ((o + j) / g.group_o - first_group) * g.group_c;
          kernels.multiply(
              GroupTile{
                  .input = band + c / kGroupBlock * block_stride + y * g.stride_h * row_floats +
                           c % kGroupBlock,
                  .block_stride = block_stride,
                  .row_stride = g.dilation_h * row_floats,
                  .tap_stride = g.dilation_w * kGroupBlock,
                  .step = g.stride_w,
                  .kernel_h = g.kernel_h,
                  .kernel_w = g.kernel_w,
                  .channels = g.group_c,
                  .weights = packed + (o + j) / width * block,
                  .sums = sums + j,
                  .sum_stride = strip,
              },
              pixels, width);
        }
        const int64_t at = ((n * g.out_h + first_y + y) * g.out_w + first_x) * g.outputs + o;
        store(gemm_kernels(), TileStore<T>{.sums = sums,
                                           .stride = strip,
                                           .rows = pixels,
                                           .columns = columns,
                                           .bias = bias ? bias + o : nullptr,
                                           .residual = residual ? residual + at : nullptr,
                                           .output = output + at,
                                           .offsets = offsets,
                                           .lower = lower});
      }
    }
  });
}

/// What has to fit for weights that are packed before.
uint64_t grouped_variant(const Conv2dGeometry& g) {
  return static_cast<uint64_t>((g.groups * 64 + g.kernel_h) * 64 + g.kernel_w);
}

/// The gradient of the data is a convolution of the gradient of the output with the weights turned.
Conv2dGeometry turned(const Conv2dGeometry& g) {
  Conv2dGeometry t = g;
  t.height = g.out_h, t.width = g.out_w, t.channels = g.outputs, t.group_c = g.group_o;
  t.out_h = g.height, t.out_w = g.width, t.outputs = g.channels, t.group_o = g.group_c;
  t.pad_h = g.dilation_h * (g.kernel_h - 1) - g.pad_h;
  t.pad_w = g.dilation_w * (g.kernel_w - 1) - g.pad_w;
  return t;
}

}  // namespace

// Wider groups have enough columns for matrix products.
bool has_narrow_groups(const Conv2dGeometry& g) {
  const auto fits = [](int64_t channels) {
    return channels == 4 || (channels % 8 == 0 && channels <= 32);
  };
  return g.groups > 1 && g.channels % kGroupBlock == 0 && fits(g.group_c) && fits(g.group_o) &&
         g.stride_w <= 2;
}

bool has_narrow_groups_backward(const Conv2dGeometry& g) {
  const Conv2dGeometry t = turned(g);
  return g.stride_h == 1 && g.stride_w == 1 && has_narrow_groups(t) && t.pad_h >= 0 && t.pad_w >= 0;
}

void conv2d_forward_grouped(const Conv2dGeometry& g, ConstView input, ConstView weight,
                            ConstView bias, ConstView residual, View output,
                            const Conv2dParams& params) {
  std::vector<float> bias_storage;
  const float* bias_data = padded_bias(bias, g.outputs + kLineFloats, bias_storage);
  const auto run = [&]<class T>(T) {
    const T* from = weight.as<T>();
    const float* scale = params.weight_scale;
    const PackedWeights packed = packed_weights(
        params.weight_key, Packing::Grouped, grouped_variant(g), weight.numel(), [&](float* to) {
          const auto at = [=](int64_t o, int64_t ky, int64_t kx, int64_t c) {
            const auto value =
                static_cast<float>(from[((o * g.kernel_h + ky) * g.kernel_w + kx) * g.group_c + c]);
            return scale ? value * scale[o] : value;
          };
          pack_groups(g, at, to);
        });
    multiply_groups(g, input.as<T>(), packed.data, bias_data, residual ? residual.as<T>() : nullptr,
                    output.as<T>(), params.relu ? 0.0f : -std::numeric_limits<float>::infinity());
  };
  input.dtype == DType::Float32 ? run(float{}) : run(bfloat16{});
}

void conv2d_backward_data_grouped(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                                  View grad_input, uint64_t weight_key) {
  const Conv2dGeometry t = turned(g);
  const auto run = [&]<class T>(T) {
    const T* from = weight.as<T>();
    const PackedWeights packed = packed_weights(
        weight_key, Packing::GroupedBackwardData, grouped_variant(g), weight.numel(),
        [&](float* to) {
          const auto at = [=](int64_t c, int64_t ky, int64_t kx, int64_t o) {
            const int64_t row = c / g.group_c * g.group_o + o;
            const int64_t tap = (g.kernel_h - 1 - ky) * g.kernel_w + g.kernel_w - 1 - kx;
            return static_cast<float>(
                from[(row * g.kernel_h * g.kernel_w + tap) * g.group_c + c % g.group_c]);
          };
          pack_groups(t, at, to);
        });
    multiply_groups<T>(t, grad_output.as<T>(), packed.data, nullptr, nullptr, grad_input.as<T>(),
                       -std::numeric_limits<float>::infinity());
  };
  grad_output.dtype == DType::Float32 ? run(float{}) : run(bfloat16{});
}

}  // namespace kestrel::cpu
