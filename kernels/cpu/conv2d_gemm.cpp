#include <kestrel/kernels/cpu/conv2d_gemm.h>

#include <limits>

#include <kestrel/kernels/cpu/weight_cache.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

template <class F>
void visit_float_or_bfloat16(DType dtype, F&& f) {
  if (dtype == DType::Float32) {
    f(float{});
  } else {
    f(bfloat16{});
  }
}

int64_t panels_of(int64_t columns) {
  return (columns + gemm_kernels().panel - 1) / gemm_kernels().panel;
}

/// The patches that the outputs of one group read.
template <class T>
Patches<T> forward_patches(const Conv2dGeometry& g, const T* input, int64_t group) {
  Patches<T> patches{.data = input + group * g.group_c,
                     .batch = g.batch,
                     .height = g.height,
                     .width = g.width,
                     .pixel_stride = g.channels,
                     .channels = g.group_c,
                     .grid_h = g.out_h,
                     .grid_w = g.out_w,
                     .step_h = g.stride_h,
                     .step_w = g.stride_w,
                     .taps = {}};
  for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
    for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
      patches.taps.push_back(
          {ky * g.dilation_h - g.pad_h, kx * g.dilation_w - g.pad_w, ky * g.kernel_w + kx});
    }
  }
  return patches;
}

/// One phase of the gradient of the data: input pixels (phase_y + i * stride_h, phase_x + j *
/// stride_w) all meet the same taps.
template <class T>
Patches<T> backward_patches(const Conv2dGeometry& g, const T* grad_output, int64_t group,
                            int64_t phase_y, int64_t phase_x) {
  Patches<T> patches{.data = grad_output + group * g.group_o,
                     .batch = g.batch,
                     .height = g.out_h,
                     .width = g.out_w,
                     .pixel_stride = g.outputs,
                     .channels = g.group_o,
                     .grid_h = (g.height - phase_y + g.stride_h - 1) / g.stride_h,
                     .grid_w = (g.width - phase_x + g.stride_w - 1) / g.stride_w,
                     .step_h = 1,
                     .step_w = 1,
                     .taps = {}};
  for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
    const int64_t y = phase_y + g.pad_h - ky * g.dilation_h;
    if (y % g.stride_h != 0) continue;
    for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
      const int64_t x = phase_x + g.pad_w - kx * g.dilation_w;
      if (x % g.stride_w == 0) {
        patches.taps.push_back({y / g.stride_h, x / g.stride_w, ky * g.kernel_w + kx});
      }
    }
  }
  return patches;
}

/// Tells apart what a packing depends on beside the weight.
uint64_t variant_of(const Conv2dGeometry& g) {
  uint64_t hash = 0;
  for (const int64_t part : {g.outputs, g.kernel_h, g.kernel_w, g.group_c, g.groups, g.stride_h,
                             g.stride_w, g.pad_h, g.pad_w, g.dilation_h, g.dilation_w}) {
    hash = (hash ^ static_cast<uint64_t>(part)) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
  }
  return hash;
}

}  // namespace

void conv2d_forward_gemm(const Conv2dGeometry& g, ConstView input, ConstView weight, ConstView bias,
                         ConstView residual, View output, const Conv2dParams& params) {
  const GemmKernels& kernels = gemm_kernels();
  const int64_t depth = g.kernel_h * g.kernel_w * g.group_c;
  const int64_t panels = panels_of(g.group_o);
  const int64_t panel_floats = padded_depth(depth) * kernels.panel;
  std::vector<float> bias_storage;
  const float* bias_data = padded_bias(bias, g.outputs + kernels.panel, bias_storage);
  visit_float_or_bfloat16(input.dtype, [&](auto type) {
    using T = decltype(type);
    const T* from = weight.as<T>();
    const PackedWeights packed = packed_weights(
        params.weight_key, Packing::Forward, variant_of(g), g.groups * panels * panel_floats,
        [&](float* to) {
          parallel_for(g.groups * panels, 1, [&](int64_t i, int64_t) {
            const int64_t column = i % panels * kernels.panel;
            pack_transposed(kernels, from + (i / panels * g.group_o + column) * depth, depth,
                            std::min(kernels.panel, g.group_o - column), depth,
                            to + i * panel_floats);
            if (params.weight_scale) {
              scale_panel(params.weight_scale + i / panels * g.group_o + column,
                          std::min(kernels.panel, g.group_o - column), kernels.panel,
                          padded_depth(depth), to + i * panel_floats);
            }
          });
        });
    const float lower = params.relu ? 0.0f : -std::numeric_limits<float>::infinity();
    if (rows_overlap(g)) {
      multiply_overlapping(g, input.as<T>(), packed.data, bias_data,
                           residual ? residual.as<T>() : nullptr, output.as<T>(), lower);
      return;
    }
    const OutputGrid grid{.grid_h = g.out_h,
                          .grid_w = g.out_w,
                          .image_stride = g.out_h * g.out_w * g.outputs,
                          .row_stride = g.out_w * g.outputs,
                          .pixel_stride = g.outputs};
    for (int64_t group = 0; group < g.groups; ++group) {
      const int64_t o = group * g.group_o;
      multiply_patches(
          forward_patches(g, input.as<T>(), group), packed.data + group * panels * panel_floats,
          g.group_o, bias_data ? bias_data + o : nullptr, residual ? residual.as<T>() + o : nullptr,
          output.as<T>() + o, grid, params.relu ? 0.0f : -std::numeric_limits<float>::infinity());
    }
  });
}

void conv2d_backward_data_gemm(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                               View grad_input, uint64_t weight_key) {
  const GemmKernels& kernels = gemm_kernels();
  const int64_t panels = panels_of(g.group_c);
  const int64_t taps = g.kernel_h * g.kernel_w;
  visit_float_or_bfloat16(grad_output.dtype, [&](auto type) {
    using T = decltype(type);
    // Every tap belongs to one phase, so the phases together are the size of the weight.
    std::vector<Patches<T>> phases;
    std::vector<int64_t> offsets;  // (groups, phases)
    int64_t floats = 0;
    for (int64_t group = 0; group < g.groups; ++group) {
      for (int64_t y = 0; y < std::min(g.stride_h, g.height); ++y) {
        for (int64_t x = 0; x < std::min(g.stride_w, g.width); ++x) {
          phases.push_back(backward_patches(g, grad_output.as<T>(), group, y, x));
          offsets.push_back(floats);
          floats += padded_depth(phases.back().depth()) * panels * kernels.panel;
        }
      }
    }
    const auto per_group = static_cast<int64_t>(phases.size()) / g.groups;
    const T* from = weight.as<T>();
    const PackedWeights packed =
        packed_weights(weight_key, Packing::BackwardData, variant_of(g), floats, [&](float* to) {
          parallel_for(static_cast<int64_t>(phases.size()) * panels, 1, [&](int64_t item, int64_t) {
            const auto i = static_cast<size_t>(item / panels);
            const int64_t group = item / panels / per_group;
            const int64_t column = item % panels * kernels.panel;
            const int64_t depth = phases[i].depth();
            float* panel = to + offsets[i] + column * padded_depth(depth);
            for (const auto& tap : phases[i].taps) {
              copy_rows(kernels, from + (group * g.group_o * taps + tap.index) * g.group_c + column,
                        taps * g.group_c, g.group_o, std::min(kernels.panel, g.group_c - column),
                        kernels.panel, panel, kernels.panel);
              panel += g.group_o * kernels.panel;
            }
            std::fill(panel, panel + (padded_depth(depth) - depth) * kernels.panel, 0.0f);
          });
        });
    const OutputGrid image{.grid_h = 0,
                           .grid_w = 0,
                           .image_stride = g.height * g.width * g.channels,
                           .row_stride = g.stride_h * g.width * g.channels,
                           .pixel_stride = g.stride_w * g.channels};
    for (size_t i = 0; i < phases.size(); ++i) {
      const int64_t group = static_cast<int64_t>(i) / per_group;
      const int64_t phase = static_cast<int64_t>(i) % per_group;
      const int64_t across = std::min(g.stride_w, g.width);
      OutputGrid grid = image;
      grid.grid_h = phases[i].grid_h;
      grid.grid_w = phases[i].grid_w;
      T* to = grad_input.as<T>() + (phase / across * g.width + phase % across) * g.channels +
              group * g.group_c;
      multiply_patches<T, T>(phases[i], packed.data + offsets[i], g.group_c, nullptr, nullptr, to,
                             grid, -std::numeric_limits<float>::infinity());
    }
  });
}

void conv2d_backward_weights_gemm(const Conv2dGeometry& g, ConstView input, ConstView grad_output,
                                  View grad_weight) {
  const int64_t depth = g.kernel_h * g.kernel_w * g.group_c;
  visit_float_or_bfloat16(input.dtype, [&](auto type) {
    using T = decltype(type);
    for (int64_t group = 0; group < g.groups; ++group) {
      const auto patches = forward_patches(g, input.as<T>(), group);
      const T* left = grad_output.as<T>() + group * g.group_o;
      const int64_t to = group * g.group_o * depth;
      if (grad_weight.dtype == DType::Float32) {
        multiply_transposed_patches(left, g.outputs, g.group_o, patches,
                                    grad_weight.as<float>() + to, depth);
      } else {
        multiply_transposed_patches(left, g.outputs, g.group_o, patches, grad_weight.as<T>() + to,
                                    depth);
      }
    }
  });
}

}  // namespace kestrel::cpu
