#pragma once

#include <cmath>

#include <kestrel/kernels/box_loss.h>
#include <kestrel/kernels/common/box_geometry.h>

/// The box losses of one row, shared by all devices.
namespace kestrel::geometry {

/// A loss and its derivative by the prediction.
template <class T>
struct RowLoss {
  T loss;
  T grad[4];
};

/// Loss of one number and its derivative by the prediction; beta 0 is L1.
template <class T>
KESTREL_HOST_DEVICE inline T smooth_l1(T pred, T target, T beta, T& slope) {
  const T difference = pred - target;
  const T size = std::abs(difference);
  if (size < beta) {
    slope = difference / beta;
    return T(0.5) * size * size / beta;
  }
  slope = difference > 0 ? T(1) : difference < 0 ? T(-1) : difference;
  return size - T(0.5) * beta;
}

template <class T>
KESTREL_HOST_DEVICE inline RowLoss<T> row_loss(const BoxOf<T>& pred, const BoxOf<T>& target,
                                               const BoxLossParams& params) {
  RowLoss<T> r;
  if (params.kind == BoxLossKind::L1 || params.kind == BoxLossKind::SmoothL1) {
    const T beta = params.kind == BoxLossKind::L1 ? T(0) : static_cast<T>(params.beta);
    r.loss = smooth_l1(pred.x1, target.x1, beta, r.grad[0]);
    r.loss += smooth_l1(pred.y1, target.y1, beta, r.grad[1]);
    r.loss += smooth_l1(pred.x2, target.x2, beta, r.grad[2]);
    r.loss += smooth_l1(pred.y2, target.y2, beta, r.grad[3]);
    return r;
  }
  const T eps = static_cast<T>(params.eps);
  const bool generalized = params.kind == BoxLossKind::GIoU;
  const auto overlap = overlap_with_gradient(pred, target, eps, generalized);
  const T iou = generalized ? overlap.value : clamp(overlap.value, eps, T(1e9));
  r.loss = 1 - iou;
  T slope = -1;
  if (params.kind == BoxLossKind::IouLog) {
    r.loss = -std::log(iou);
    slope = -1 / iou;
  } else if (params.kind == BoxLossKind::IouSquare) {
    r.loss = 1 - iou * iou;
    slope = -2 * iou;
  }
  if (!generalized && overlap.value < eps) slope = 0;
  for (int i = 0; i < 4; ++i) r.grad[i] = slope * overlap.grad[i];
  return r;
}

}  // namespace kestrel::geometry
