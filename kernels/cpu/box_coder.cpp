#include <kestrel/kernels/box_coder.h>

#include <kestrel/kernels/common/box_coder_checks.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kGrain = 4096;

/// Calls f(T{}, offset of the row) for each of n rows, with the C++ type of a dtype.
template <class F>
void for_rows(DType dtype, int64_t n, F f) {
  const auto rows = [&]<class T>(T) {
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) f(T{}, i * 4);
    });
  };
  if (dtype == DType::Float64) {
    rows(double{});
  } else {
    rows(float{});
  }
}

}  // namespace

void box_encode(ConstView anchors, ConstView boxes, const DeltaParams& params, View deltas) {
  check_box_coder("box_encode", anchors, boxes, deltas);
  for_rows(anchors.dtype, anchors.size(0), [&]<class T>(T, int64_t i) {
    geometry::encode_delta(geometry::load_box(anchors.as<T>() + i),
                           geometry::load_box(boxes.as<T>() + i), params, deltas.as<T>() + i);
  });
}

void box_decode(ConstView anchors, ConstView deltas, const DeltaParams& params, ClipSize size,
                View boxes) {
  check_box_coder("box_decode", anchors, deltas, boxes);
  for_rows(anchors.dtype, anchors.size(0), [&]<class T>(T, int64_t i) {
    geometry::store_box(
        geometry::decode_box(geometry::load_box(anchors.as<T>() + i), deltas.as<T>() + i, params,
                             static_cast<T>(size.width), static_cast<T>(size.height)),
        boxes.as<T>() + i);
  });
}

void box_decode_backward(ConstView anchors, ConstView deltas, ConstView grad_boxes,
                         const DeltaParams& params, ClipSize size, View grad_deltas) {
  check_box_decode_backward(anchors, deltas, grad_boxes, grad_deltas);
  for_rows(anchors.dtype, anchors.size(0), [&]<class T>(T, int64_t i) {
    geometry::store_box(
        geometry::decode_box_backward(geometry::load_box(anchors.as<T>() + i), deltas.as<T>() + i,
                                      geometry::load_box(grad_boxes.as<T>() + i), params,
                                      static_cast<T>(size.width), static_cast<T>(size.height)),
        grad_deltas.as<T>() + i);
  });
}

}  // namespace kestrel::cpu
