#include <kestrel/kernels/box_coder.h>

#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kGrain = 4096;

/// Calls f(T{}) for operands that are (n, 4) of one dtype, and f's result for each row.
template <class F>
void for_rows(const char* op, ConstView a, ConstView b, ConstView out, F f) {
  KESTREL_CHECK(a.shape == Shape({a.size(0), 4}) && b.shape == a.shape && out.shape == a.shape, "[",
                op, "] operands must be (n, 4), got ", a.shape, ", ", b.shape, " and ", out.shape);
  const auto rows = [&]<class T>(T) {
    parallel_for(a.size(0), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) f(T{}, i * 4);
    });
  };
  if (a.dtype == DType::Float64) {
    rows(double{});
  } else {
    rows(float{});
  }
}

}  // namespace

void box_encode(ConstView anchors, ConstView boxes, const DeltaParams& params, View deltas) {
  for_rows("box_encode", anchors, boxes, deltas, [&]<class T>(T, int64_t i) {
    geometry::encode_delta(geometry::load_box(anchors.as<T>() + i),
                           geometry::load_box(boxes.as<T>() + i), params, deltas.as<T>() + i);
  });
}

void box_decode(ConstView anchors, ConstView deltas, const DeltaParams& params, ClipSize size,
                View boxes) {
  for_rows("box_decode", anchors, deltas, boxes, [&]<class T>(T, int64_t i) {
    auto box =
        geometry::decode_delta(geometry::load_box(anchors.as<T>() + i), deltas.as<T>() + i, params)
            .box;
    if (params.clip) {
      box = geometry::clip_box(box, static_cast<T>(size.width), static_cast<T>(size.height));
    }
    geometry::store_box(box, boxes.as<T>() + i);
  });
}

void box_decode_backward(ConstView anchors, ConstView deltas, ConstView grad_boxes,
                         const DeltaParams& params, ClipSize size, View grad_deltas) {
  KESTREL_CHECK(grad_boxes.shape == anchors.shape, "[box_decode_backward] gradient is ",
                grad_boxes.shape, ", anchors are ", anchors.shape);
  for_rows("box_decode_backward", anchors, deltas, grad_deltas, [&]<class T>(T, int64_t i) {
    const auto r =
        geometry::decode_delta(geometry::load_box(anchors.as<T>() + i), deltas.as<T>() + i, params);
    auto g = geometry::load_box(grad_boxes.as<T>() + i);
    if (params.clip) {
      const auto inside = [](T v, double limit) { return v >= 0 && v <= static_cast<T>(limit); };
      if (!inside(r.box.x1, size.width)) g.x1 = 0;
      if (!inside(r.box.x2, size.width)) g.x2 = 0;
      if (!inside(r.box.y1, size.height)) g.y1 = 0;
      if (!inside(r.box.y2, size.height)) g.y2 = 0;
    }
    T* out = grad_deltas.as<T>() + i;
    out[0] = (g.x1 + g.x2) * r.aw * static_cast<T>(params.stds[0]);
    out[1] = (g.y1 + g.y2) * r.ah * static_cast<T>(params.stds[1]);
    out[2] = r.free_w ? (g.x2 - g.x1) * T(0.5) * r.w * static_cast<T>(params.stds[2]) : T(0);
    out[3] = r.free_h ? (g.y2 - g.y1) * T(0.5) * r.h * static_cast<T>(params.stds[3]) : T(0);
  });
}

}  // namespace kestrel::cpu
