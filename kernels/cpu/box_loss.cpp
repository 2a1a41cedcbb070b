#include <kestrel/kernels/box_loss.h>

#include <cmath>
#include <vector>

#include <kestrel/kernels/common/box_geometry.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kGrain = 1024;

/// Loss of one number and its derivative by the prediction; beta 0 is L1.
template <class T>
T smooth_l1(T pred, T target, T beta, T& slope) {
  const T difference = pred - target;
  const T size = std::abs(difference);
  if (size < beta) {
    slope = difference / beta;
    return T(0.5) * size * size / beta;
  }
  slope = difference > 0 ? T(1) : difference < 0 ? T(-1) : difference;
  return size - T(0.5) * beta;
}

/// Loss of one row and its gradient.
template <class T>
T row_loss(const T* pred, const T* target, const BoxLossParams& params, T* grad) {
  if (params.kind == BoxLossKind::L1 || params.kind == BoxLossKind::SmoothL1) {
    const T beta = params.kind == BoxLossKind::L1 ? T(0) : static_cast<T>(params.beta);
    T total = 0;
    for (int i = 0; i < 4; ++i) total += smooth_l1(pred[i], target[i], beta, grad[i]);
    return total;
  }
  const T eps = static_cast<T>(params.eps);
  const bool generalized = params.kind == BoxLossKind::GIoU;
  const auto overlap = geometry::overlap_with_gradient(
      geometry::load_box(pred), geometry::load_box(target), eps, generalized);
  const T iou = generalized ? overlap.value : geometry::clamp(overlap.value, eps, T(1e9));
  T loss = 1 - iou;
  T slope = -1;
  if (params.kind == BoxLossKind::IouLog) {
    loss = -std::log(iou);
    slope = -1 / iou;
  } else if (params.kind == BoxLossKind::IouSquare) {
    loss = 1 - iou * iou;
    slope = -2 * iou;
  }
  if (!generalized && overlap.value < eps) slope = 0;
  for (int i = 0; i < 4; ++i) grad[i] = slope * overlap.grad[i];
  return loss;
}

}  // namespace

void box_loss(ConstView pred, ConstView target, ConstView weights, const BoxLossParams& params,
              View loss, View grad) {
  const int64_t n = pred.size(0);
  KESTREL_CHECK(pred.shape == Shape({n, 4}) && target.shape == pred.shape,
                "[box_loss] predictions and targets must be (n, 4), got ", pred.shape, " and ",
                target.shape);
  KESTREL_CHECK(!weights || weights.numel() == n, "[box_loss] ", weights.numel(), " weights for ",
                n, " rows");
  KESTREL_CHECK(!grad || grad.shape == pred.shape, "[box_loss] gradient must be ", pred.shape,
                ", got ", grad.shape);
  KESTREL_CHECK(params.beta >= 0 && params.eps > 0,
                "[box_loss] beta must be at least 0 and eps above 0, got ", params.beta, " and ",
                params.eps);
  const auto compute = [&]<class T>(T) {
    const T* p = pred.as<T>();
    const T* t = target.as<T>();
    const T* w = weights ? weights.as<T>() : nullptr;
    T* g = grad ? grad.as<T>() : nullptr;
    std::vector<double> partial(static_cast<size_t>((n + kGrain - 1) / kGrain));
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
      double total = 0;
      for (int64_t i = begin; i < end; ++i) {
        const double weight = params.scale * (w ? static_cast<double>(w[i]) : 1.0);
        T row_grad[4] = {0, 0, 0, 0};
        if (weight != 0) {
          total += weight * static_cast<double>(row_loss(p + i * 4, t + i * 4, params, row_grad));
        }
        for (int k = 0; g && k < 4; ++k) g[i * 4 + k] = static_cast<T>(weight) * row_grad[k];
      }
      partial[static_cast<size_t>(begin / kGrain)] = total;
    });
    double total = 0;
    for (const double part : partial) total += part;
    *loss.as<T>() = static_cast<T>(total);
  };
  if (pred.dtype == DType::Float64) {
    compute(double{});
  } else {
    compute(float{});
  }
}

}  // namespace kestrel::cpu
