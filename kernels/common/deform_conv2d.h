#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include <kestrel/kernels/common/conv2d_checks.h>
#include <kestrel/kernels/deform_conv2d.h>

/// The geometry of deform_conv2d.h, and what it demands of its operands, for every device.
///
/// Both devices sample the input into columns (pixels, groups, taps, C / groups), of which the
/// convolution is one of a single tap: its forward, and its gradients for data and weight, are
/// those of conv2d.h. A sample has the index (pixel * deform_groups + group) * taps + tap.
namespace kestrel {

struct DeformConv2dGeometry : Conv2dGeometry {
  int64_t deform_groups;

  KESTREL_HOST_DEVICE int64_t taps() const { return kernel_h * kernel_w; }
  KESTREL_HOST_DEVICE int64_t deform_c() const { return channels / deform_groups; }
  /// Per output pixel: its samples, and the length of its column.
  KESTREL_HOST_DEVICE int64_t samples() const { return deform_groups * taps(); }
  KESTREL_HOST_DEVICE int64_t depth() const { return taps() * channels; }
  /// Where a channel's sample for a tap stands in a column.
  KESTREL_HOST_DEVICE int64_t place(int64_t tap, int64_t channel) const {
    return (channel / group_c * taps() + tap) * group_c + channel % group_c;
  }
};

/// A point among the pixels of an image.
template <class A>
struct BilinearSample {
  int64_t image, y, x;  ///< The pixel to its top left; y and x may be -1.
  A below, right;       ///< How far it lies from there, from 0 to 1.

  /// Corners count from the top left to the bottom right.
  KESTREL_HOST_DEVICE A weight(int corner) const {
    return (corner / 2 ? below : 1 - below) * (corner % 2 ? right : 1 - right);
  }
  /// The corner's pixel among those of all images, or -1 where it is outside.
  KESTREL_HOST_DEVICE int64_t pixel(const Conv2dGeometry& g, int corner) const {
    const int64_t row = y + corner / 2, column = x + corner % 2;
    const bool inside = 0 <= row && row < g.height && 0 <= column && column < g.width;
    return inside ? (image * g.height + row) * g.width + column : -1;
  }
};

/// The operands that say what is sampled.
template <class T>
struct DeformSampling {
  using A = Accumulate<T>;

  DeformConv2dGeometry geometry;
  const T* input;
  const A* offset;
  const A* mask;  ///< Or null.

  KESTREL_HOST_DEVICE A mask_of(int64_t sample) const { return mask ? mask[sample] : A(1); }

  /// A sample that does not count has four corners outside.
  KESTREL_HOST_DEVICE BilinearSample<A> operator()(int64_t sample) const {
    const DeformConv2dGeometry& g = geometry;
    const int64_t tap = sample % g.taps(), pixel = sample / g.samples();
    const int64_t line = pixel / g.out_w, image = line / g.out_h;
    const int64_t row = line % g.out_h * g.stride_h - g.pad_h + tap / g.kernel_w * g.dilation_h;
    const int64_t column = pixel % g.out_w * g.stride_w - g.pad_w + tap % g.kernel_w * g.dilation_w;
    const A y = static_cast<A>(row) + offset[2 * sample];
    const A x = static_cast<A>(column) + offset[2 * sample + 1];
    const bool counts =
        y > -1 && y < static_cast<A>(g.height) && x > -1 && x < static_cast<A>(g.width);
    if (!counts) return {image, -2, -2, 0, 0};  // NaN too
    const A top = std::floor(y), left = std::floor(x);
    return {image, static_cast<int64_t>(top), static_cast<int64_t>(left), y - top, x - left};
  }
};

/// The gradients of a sample for its place and mask, from those of its value: products[i] is the
/// sum of grad * corner i over the channels.
template <class A>
struct SampleGradient {
  A y, x, mask;

  KESTREL_HOST_DEVICE SampleGradient(const BilinearSample<A>& s, A mask_value,
                                     const A (&products)[4])
      : y(mask_value *
          ((1 - s.right) * (products[2] - products[0]) + s.right * (products[3] - products[1]))),
        x(mask_value *
          ((1 - s.below) * (products[1] - products[0]) + s.below * (products[3] - products[2]))),
        mask(0) {
    for (int i = 0; i < 4; ++i) mask += s.weight(i) * products[i];
  }
};

/// Output pixels [begin, begin + count) of the batch.
struct PixelRange {
  int64_t begin, count;
};

/// Calls f(range) for all output pixels in turn, so many at a time as `bytes` of work space hold,
/// where each takes `bytes_per_pixel`.
template <class F>
void for_pixel_ranges(const DeformConv2dGeometry& g, const DeformConv2dParams& params,
                      int64_t bytes, int64_t bytes_per_pixel, F f) {
  const int64_t pixels = g.batch * g.out_h * g.out_w;
  const int64_t fit = std::max<int64_t>(1, bytes / std::max<int64_t>(1, bytes_per_pixel));
  const int64_t chunk = params.chunk_pixels > 0 ? params.chunk_pixels : fit;
  for (int64_t begin = 0; begin < pixels; begin += chunk) {
    f(PixelRange{begin, std::min(chunk, pixels - begin)});
  }
}

/// The pixels of a range of a map (N, Ho, Wo, C), as a map of one column of them.
template <class AnyView>
AnyView pixels_of(AnyView map, PixelRange range) {
  using Byte = std::conditional_t<std::is_same_v<AnyView, View>, std::byte, const std::byte>;
  const int64_t channels = map.size(3);
  auto* data = static_cast<Byte*>(map.data) + range.begin * channels * size_of(map.dtype);
  return {data, map.dtype, {1, range.count, 1, channels}};
}
/// Columns, a weight, as operands of the convolution with one tap that multiplies them.
template <class T>
View columns_view(const DeformConv2dGeometry& g, T* columns, PixelRange range) {
  return {columns, dtype_of<T>, {1, range.count, 1, g.depth()}};
}
template <class AnyView>
AnyView one_tap(const DeformConv2dGeometry& g, AnyView weight) {
  return {weight.data, weight.dtype, {g.outputs, 1, 1, g.taps() * g.group_c}};
}

inline DType accumulate_dtype(DType dtype) {
  return dtype == DType::Float64 ? DType::Float64 : DType::Float32;
}

namespace deform_conv2d_detail {

inline void check_operand(const char* op, const char* name, ConstView operand, DType dtype,
                          const Shape& shape) {
  KESTREL_CHECK(operand.dtype == dtype && operand.shape == shape, "[", op, "] ", name, " must be ",
                dtype, " ", shape, ", got ", operand.dtype, " ", operand.shape);
}

}  // namespace deform_conv2d_detail

/// Checks what forward and backward have in common; `output` is its gradient in backward.
inline DeformConv2dGeometry check_deform_conv2d(const char* op, ConstView input, ConstView offset,
                                                ConstView mask, ConstView weight, ConstView output,
                                                const DeformConv2dParams& p) {
  const Conv2dParams conv{.stride_h = p.stride_h,
                          .stride_w = p.stride_w,
                          .pad_h = p.pad_h,
                          .pad_w = p.pad_w,
                          .dilation_h = p.dilation_h,
                          .dilation_w = p.dilation_w,
                          .groups = p.groups};
  const DeformConv2dGeometry g{conv2d_geometry(op, input.shape, weight.shape, output.shape, conv),
                               p.deform_groups};
  check_conv2d_dtypes(op, input.dtype, weight.dtype, output.dtype);
  KESTREL_CHECK(g.deform_groups >= 1 && g.channels % g.deform_groups == 0, "[", op, "] ",
                g.channels, " channels cannot be split into ", g.deform_groups,
                " deformable groups");
  KESTREL_CHECK(p.chunk_pixels >= 0, "[", op, "] chunk_pixels must not be negative, got ",
                p.chunk_pixels);
  const DType dtype = accumulate_dtype(input.dtype);
  deform_conv2d_detail::check_operand(op, "offset", offset, dtype,
                                      {g.batch, g.out_h, g.out_w, 2 * g.samples()});
  if (mask) {
    deform_conv2d_detail::check_operand(op, "mask", mask, dtype,
                                        {g.batch, g.out_h, g.out_w, g.samples()});
  }
  return g;
}

inline DeformConv2dGeometry check_deform_conv2d_forward(ConstView input, ConstView offset,
                                                        ConstView mask, ConstView weight,
                                                        ConstView bias, ConstView output,
                                                        const DeformConv2dParams& p) {
  const DeformConv2dGeometry g =
      check_deform_conv2d("deform_conv2d", input, offset, mask, weight, output, p);
  if (bias) {
    check_conv2d_dtype_beside("deform_conv2d", "bias", bias.dtype, input.dtype);
    KESTREL_CHECK(bias.shape == Shape{g.outputs}, "[deform_conv2d] bias must be (", g.outputs,
                  "), got ", bias.shape);
  }
  return g;
}

inline DeformConv2dGeometry check_deform_conv2d_backward(ConstView input, ConstView offset,
                                                         ConstView mask, ConstView weight,
                                                         ConstView grad_output,
                                                         const DeformConv2dGradients& gradients,
                                                         const DeformConv2dParams& p) {
  constexpr const char* kOp = "deform_conv2d_backward";
  const DeformConv2dGeometry g =
      check_deform_conv2d(kOp, input, offset, mask, weight, grad_output, p);
  const DType dtype = accumulate_dtype(input.dtype);
  const auto check = [&](const char* name, ConstView gradient, const Shape& shape) {
    if (gradient) deform_conv2d_detail::check_operand(kOp, name, gradient, dtype, shape);
  };
  check("gradient of the input", gradients.input, input.shape);
  check("gradient of the offset", gradients.offset, offset.shape);
  KESTREL_CHECK(mask || !gradients.mask, "[", kOp, "] there is no mask to have a gradient");
  check("gradient of the mask", gradients.mask, mask.shape);
  check("gradient of the weight", gradients.weight, weight.shape);
  check("gradient of the bias", gradients.bias, {g.outputs});
  return g;
}

}  // namespace kestrel
