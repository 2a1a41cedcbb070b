#include <kestrel/kernels/conv2d.h>

#include <numeric>
#include <sstream>
#include <vector>

#include <kestrel/kernels/channels.h>
#include <kestrel/kernels/common/conv2d_checks.h>
#include <kestrel/kernels/cuda/algorithm_choice.h>
#include <kestrel/kernels/cuda/conv2d_depthwise.h>
#include <kestrel/kernels/cuda/cudnn.h>
#include <kestrel/kernels/cuda/gemm.h>

namespace kestrel::gpu {
namespace {

Window forward_window(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  return {.size = small_size(size),
          .step = small_size(stride),
          .origin = -small_size(pad),
          .taps = small_size(kernel),
          .tap_step = small_size(dilation)};
}

/// The patches of the input that the output pixels read.
template <class T>
Patches<T> forward_patches(const Conv2dGeometry& g, const T* input) {
  return {.data = input,
          .batch = small_size(g.batch),
          .pixel_stride = g.channels,
          .group_stride = g.group_c,
          .y = forward_window(g.height, g.kernel_h, g.stride_h, g.pad_h, g.dilation_h),
          .x = forward_window(g.width, g.kernel_w, g.stride_w, g.pad_w, g.dilation_w),
          .rows = make_radix(g.out_h, g.out_w),
          .columns = make_radix(g.kernel_w, g.group_c)};
}

/// One side of a phase of the gradient of the data: the input pixels phase + i * stride, which all
/// meet the same taps.
struct Phase {
  int64_t first, points;        ///< Input pixels.
  int64_t first_tap, tap_step;  ///< Of the weight.
  Window window;                ///< Over the gradient of the output.
};

std::vector<Phase> phases(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad,
                          int64_t dilation) {
  std::vector<Phase> result;
  for (int64_t phase = 0; phase < std::min(stride, in); ++phase) {
    // Tap t lies (phase + pad - t * dilation) / stride pixels from grid point 0 where that is
    // whole: for every period-th t, if any.
    const int64_t period = stride / std::gcd(stride, dilation);
    int64_t first = 0;
    while (first < period && (phase + pad - first * dilation) % stride != 0) ++first;
    const int64_t taps =
        first < std::min(period, kernel) ? (kernel - first + period - 1) / period : 0;
    result.push_back({.first = phase,
                      .points = (in - phase + stride - 1) / stride,
                      .first_tap = taps > 0 ? first : 0,
                      .tap_step = period,
                      .window = {.size = small_size(out),
                                 .step = 1,
                                 .origin = small_size((phase + pad - first * dilation) / stride),
                                 .taps = small_size(taps),
                                 .tap_step = -small_size(dilation * period / stride)}});
  }
  return result;
}

template <class T>
void forward(const Conv2dGeometry& g, const T* input, const T* weight, const Epilogue<T>& epilogue,
             Stream stream) {
  const int64_t depth = g.kernel_h * g.kernel_w * g.group_c;
  const ForwardProduct<T> product{.size = {g.batch * g.out_h * g.out_w, g.group_o, depth, g.groups},
                                  .a = {forward_patches(g, input)},
                                  .b = {{.data = weight,
                                         .row_count = small_size(g.group_o),
                                         .column_count = small_size(depth),
                                         .row_stride = depth,
                                         .group_stride = g.group_o * depth}},
                                  .rows = {.image_stride = g.outputs, .group_stride = g.group_o}};
  gemm(std::span(&product, 1), g.batch * g.out_h * g.out_w * g.outputs, g.outputs, epilogue, {},
       stream);
}

/// The part of the gradient that belongs to a phase along y and one along x.
template <class T>
BackwardDataProduct<T> backward_data_product(const Conv2dGeometry& g, const T* grad_output,
                                             const T* weight, const Phase& y, const Phase& x) {
  const int64_t weight_row = g.kernel_w * g.group_c;
  return {.size = {g.batch * y.points * x.points, g.group_c,
                   int64_t{y.window.taps} * x.window.taps * g.group_o, g.groups},
          .a = {{.data = grad_output,
                 .batch = small_size(g.batch),
                 .pixel_stride = g.outputs,
                 .group_stride = g.group_o,
                 .y = y.window,
                 .x = x.window,
                 .rows = make_radix(y.points, x.points),
                 .columns = make_radix(x.window.taps, g.group_o)}},
          .b = {{.data = weight + y.first_tap * weight_row + x.first_tap * g.group_c,
                 .taps_y = y.window.taps,
                 .channels = small_size(g.group_c),
                 .tap_y_stride = y.tap_step * weight_row,
                 .tap_x_stride = x.tap_step * g.group_c,
                 .output_stride = g.kernel_h * weight_row,
                 .group_stride = g.group_o * g.kernel_h * weight_row,
                 .rows = make_radix(x.window.taps, g.group_o)}},
          .rows = {.image_stride = g.height * g.width * g.channels,
                   .row_stride = g.stride_h * g.width * g.channels,
                   .pixel_stride = g.stride_w * g.channels,
                   .origin = (y.first * g.width + x.first) * g.channels,
                   .group_stride = g.group_c,
                   .points = make_radix(y.points, x.points)}};
}

template <class T>
void backward_data(const Conv2dGeometry& g, const T* grad_output, const T* weight,
                   const Epilogue<T>& epilogue, Stream stream) {
  const auto columns = phases(g.width, g.out_w, g.kernel_w, g.stride_w, g.pad_w, g.dilation_w);
  std::vector<BackwardDataProduct<T>> products;
  for (const Phase& y : phases(g.height, g.out_h, g.kernel_h, g.stride_h, g.pad_h, g.dilation_h)) {
    for (const Phase& x : columns) {
      products.push_back(backward_data_product(g, grad_output, weight, y, x));
    }
  }
  gemm(std::span<const BackwardDataProduct<T>>(products), g.batch * g.height * g.width * g.channels,
       g.channels, epilogue, {}, stream);
}

template <class T>
void backward_weights(const Conv2dGeometry& g, const T* input, const T* grad_output,
                      const Epilogue<T>& epilogue, Stream stream) {
  const int64_t depth = g.kernel_h * g.kernel_w * g.group_c;
  const int64_t pixels = g.batch * g.out_h * g.out_w;
  const BackwardWeightsProduct<T> product{
      .size = {g.group_o, depth, pixels, g.groups},
      .a = {{.data = grad_output,
             .row_count = small_size(pixels),
             .column_count = small_size(g.group_o),
             .row_stride = g.outputs,
             .group_stride = g.group_o}},
      .b = {forward_patches(g, input)},
      .rows = {.image_stride = depth, .group_stride = g.group_o * depth}};
  gemm(std::span(&product, 1), g.outputs * depth, depth, epilogue, {}, stream);
}

/// What the time of a convolution depends on.
std::string key_of(const char* pass, const Conv2dGeometry& g, DType dtype) {
  std::ostringstream key;
  key << pass << ' ' << dtype << ' ' << g.batch << 'x' << g.height << 'x' << g.width << 'x'
      << g.channels << " to " << g.out_h << 'x' << g.out_w << 'x' << g.outputs << ", kernel "
      << g.kernel_h << 'x' << g.kernel_w << ", stride " << g.stride_h << 'x' << g.stride_w
      << ", pad " << g.pad_h << 'x' << g.pad_w << ", dilation " << g.dilation_h << 'x'
      << g.dilation_w << ", groups " << g.groups;
  return key.str();
}

/// By Kestrel's kernels or, in a build that has it, by cuDNN.
template <class Own, class Library>
void do_conv2d(const char* pass, const Conv2dGeometry& g, DType dtype, bool repeatable, Own own,
               Library library, Stream stream) {
  if (!has_cudnn()) return own();
  do_either(
      {.key = key_of(pass, g, dtype), .own = own, .library = library, .repeatable = repeatable},
      stream);
}

}  // namespace

void conv2d_forward(ConstView input, ConstView weight, ConstView bias, ConstView residual,
                    View output, const Conv2dParams& params, Stream stream) {
  const Conv2dGeometry g = check_conv2d_forward(input, weight, bias, residual, output, params);
  if (output.numel() == 0) return;
  const auto own = [&] {
    visit_product(input.dtype, "conv2d", [&]<class T>(T) {
      const auto epilogue = make_epilogue<T>(output, residual, bias, params.relu);
      if (is_depthwise(g)) {
        depthwise_forward(g, input.as<T>(), weight.as<T>(), epilogue, stream);
      } else {
        forward(g, input.as<T>(), weight.as<T>(), epilogue, stream);
      }
    });
  };
  const auto library = [&] {
    return cudnn_forward(g, input, weight, bias, residual, output, params.relu, stream);
  };
  do_conv2d("forward", g, input.dtype, residual.data != output.data, own, library, stream);
}

void conv2d_backward_data(ConstView grad_output, ConstView weight, View grad_input,
                          const Conv2dParams& params, Stream stream) {
  const Conv2dGeometry g = check_conv2d_backward_data(grad_output, weight, grad_input, params);
  if (grad_input.numel() == 0) return;
  const auto own = [&] {
    visit_product(grad_output.dtype, "conv2d_backward_data", [&]<class T>(T) {
      const auto epilogue = make_epilogue<T>(grad_input);
      if (is_depthwise(g)) {
        depthwise_backward_data(g, grad_output.as<T>(), weight.as<T>(), epilogue, stream);
      } else {
        backward_data(g, grad_output.as<T>(), weight.as<T>(), epilogue, stream);
      }
    });
  };
  const auto library = [&] {
    return grad_output.numel() > 0 &&
           cudnn_backward_data(g, grad_output, weight, grad_input, stream);
  };
  do_conv2d("backward_data", g, grad_output.dtype, true, own, library, stream);
}

void conv2d_backward_weights(ConstView input, ConstView grad_output, View grad_weight,
                             View grad_bias, const Conv2dParams& params, Stream stream) {
  const Conv2dGeometry g =
      check_conv2d_backward_weights(input, grad_output, grad_weight, grad_bias, params);
  if (grad_bias && g.outputs > 0) sum_channels(grad_output, grad_bias, stream);
  if (grad_weight.numel() == 0) return;
  const auto own = [&] {
    visit_product(input.dtype, "conv2d_backward_weights", [&]<class T>(T) {
      const auto epilogue = make_epilogue<T>(grad_weight);
      if (is_depthwise(g)) {
        depthwise_backward_weights(g, input.as<T>(), grad_output.as<T>(), epilogue, stream);
      } else {
        backward_weights(g, input.as<T>(), grad_output.as<T>(), epilogue, stream);
      }
    });
  };
  const auto library = [&] {
    return grad_output.numel() > 0 &&
           cudnn_backward_weights(g, input, grad_output, grad_weight, stream);
  };
  do_conv2d("backward_weights", g, input.dtype, true, own, library, stream);
}

void conv2d_forget(uint64_t) {}

}  // namespace kestrel::gpu
