#pragma once

#include <type_traits>

#include <kestrel/kernels/box_iou.h>
#include <kestrel/kernels/common/box_geometry.h>

/// The formulas of box_iou.h, and what it demands of its operands, for every device.
namespace kestrel {

template <BoxOverlap kind, class T>
KESTREL_HOST_DEVICE inline T box_overlap(const geometry::BoxOf<T>& a, const geometry::BoxOf<T>& b,
                                         T eps) {
  using geometry::larger, geometry::smaller;
  const T area_a = geometry::area(a), area_b = geometry::area(b);
  const T inter = geometry::intersection(a, b);
  const T whole = kind == BoxOverlap::IoF ? area_a : area_a + area_b - inter;
  const T denominator = larger(whole, eps);
  // What is not finite must not become an empty overlap.
  T value = inter / denominator + (area_a + area_b) * T(0);
  if constexpr (kind == BoxOverlap::GIoU) {
    const T width = larger(larger(a.x2, b.x2) - smaller(a.x1, b.x1), T(0));
    const T height = larger(larger(a.y2, b.y2) - smaller(a.y1, b.y1), T(0));
    const T hull = larger(width * height, eps);
    value -= (hull - denominator) / hull;
  }
  return value;
}

/// Calls f(std::integral_constant<BoxOverlap, kind>{}).
template <class F>
void visit_overlap(BoxOverlap kind, F f) {
  switch (kind) {
    case BoxOverlap::IoU:
      return f(std::integral_constant<BoxOverlap, BoxOverlap::IoU>{});
    case BoxOverlap::IoF:
      return f(std::integral_constant<BoxOverlap, BoxOverlap::IoF>{});
    case BoxOverlap::GIoU:
      return f(std::integral_constant<BoxOverlap, BoxOverlap::GIoU>{});
  }
  fail("[box_iou] no such overlap: ", static_cast<int>(kind));
}

inline void check_box_iou(const ConstView& a, const ConstView& b, const BoxIouParams& params,
                          const ConstView& out) {
  KESTREL_CHECK(a.dtype == DType::Float32 || a.dtype == DType::Float64,
                "[box_iou] boxes must be float32 or float64, got ", a.dtype);
  KESTREL_CHECK(a.shape.dims() == 2 && a.size(1) == 4 && b.shape.dims() == 2 && b.size(1) == 4 &&
                    a.dtype == b.dtype,
                "[box_iou] boxes must be (A, 4) and (B, 4) of one dtype, got ", a.dtype, a.shape,
                " and ", b.dtype, b.shape);
  KESTREL_CHECK(out.dtype == a.dtype && out.shape == Shape({a.size(0), b.size(0)}),
                "[box_iou] the result must be ", a.dtype, Shape({a.size(0), b.size(0)}), ", got ",
                out.dtype, out.shape);
  KESTREL_CHECK(params.eps >= 0, "[box_iou] eps must be at least 0, got ", params.eps);
}

}  // namespace kestrel
