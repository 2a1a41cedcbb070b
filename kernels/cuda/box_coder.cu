#include <kestrel/kernels/box_coder.h>

#include <kestrel/kernels/common/box_coder_checks.h>
#include <kestrel/kernels/cuda/box_rows.h>
#include <kestrel/kernels/cuda/launch.h>

namespace kestrel::gpu {
namespace {

template <class T>
struct Delta {
  T v[4];
  __device__ explicit Delta(const geometry::BoxOf<T>& row) { geometry::store_box(row, v); }
};

template <bool packed, class T>
__global__ void encode_kernel(int64_t n, const T* anchors, const T* boxes, DeltaParams params,
                              T* deltas) {
  for (const int64_t i : grid_stride(n)) {
    T delta[4];
    geometry::encode_delta(load_row<packed>(anchors, i), load_row<packed>(boxes, i), params, delta);
    store_row<packed>(geometry::load_box(delta), deltas, i);
  }
}

template <bool packed, class T>
__global__ void decode_kernel(int64_t n, const T* anchors, const T* deltas, DeltaParams params,
                              T width, T height, T* boxes) {
  for (const int64_t i : grid_stride(n)) {
    const Delta<T> delta(load_row<packed>(deltas, i));
    store_row<packed>(
        geometry::decode_box(load_row<packed>(anchors, i), delta.v, params, width, height), boxes,
        i);
  }
}

template <bool packed, class T>
__global__ void decode_backward_kernel(int64_t n, const T* anchors, const T* deltas,
                                       const T* grad_boxes, DeltaParams params, T width, T height,
                                       T* grad_deltas) {
  for (const int64_t i : grid_stride(n)) {
    const Delta<T> delta(load_row<packed>(deltas, i));
    store_row<packed>(
        geometry::decode_box_backward(load_row<packed>(anchors, i), delta.v,
                                      load_row<packed>(grad_boxes, i), params, width, height),
        grad_deltas, i);
  }
}

}  // namespace

void box_encode(ConstView anchors, ConstView boxes, const DeltaParams& params, View deltas,
                Stream stream) {
  check_box_coder("box_encode", anchors, boxes, deltas);
  const auto run = [&]<class T, bool packed>(T, std::bool_constant<packed>) {
    launch_1d(encode_kernel<packed, T>, anchors.size(0), stream, anchors.as<T>(), boxes.as<T>(),
              params, deltas.as<T>());
  };
  visit_rows(anchors.dtype, run, anchors.data, boxes.data, deltas.data);
}

void box_decode(ConstView anchors, ConstView deltas, const DeltaParams& params, ClipSize size,
                View boxes, Stream stream) {
  check_box_coder("box_decode", anchors, deltas, boxes);
  const auto run = [&]<class T, bool packed>(T, std::bool_constant<packed>) {
    launch_1d(decode_kernel<packed, T>, anchors.size(0), stream, anchors.as<T>(), deltas.as<T>(),
              params, size.width, size.height, boxes.as<T>());
  };
  visit_rows(anchors.dtype, run, anchors.data, deltas.data, boxes.data);
}

void box_decode_backward(ConstView anchors, ConstView deltas, ConstView grad_boxes,
                         const DeltaParams& params, ClipSize size, View grad_deltas,
                         Stream stream) {
  check_box_decode_backward(anchors, deltas, grad_boxes, grad_deltas);
  const auto run = [&]<class T, bool packed>(T, std::bool_constant<packed>) {
    launch_1d(decode_backward_kernel<packed, T>, anchors.size(0), stream, anchors.as<T>(),
              deltas.as<T>(), grad_boxes.as<T>(), params, size.width, size.height,
              grad_deltas.as<T>());
  };
  visit_rows(anchors.dtype, run, anchors.data, deltas.data, grad_boxes.data, grad_deltas.data);
}

}  // namespace kestrel::gpu
