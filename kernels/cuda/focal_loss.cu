// no-fmad: loss and gradient do not depend on where the compiler fuses a product and a sum.
#include <kestrel/kernels/focal_loss.h>

#include <limits>

#include <kestrel/kernels/common/focal.h>
#include <kestrel/kernels/common/focal_loss_checks.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/row_walk.h>
#include <kestrel/kernels/cuda/segments.h>

namespace kestrel::gpu {
namespace {

/// Elements that one warp sums.
constexpr int64_t kSegment = 2048;

/// What multiplies the losses of a row.
template <class A>
struct RowWeights {
  int64_t label;
  A negative, positive;
};

/// Both weights are NaN where the label is none.
template <class A>
__device__ RowWeights<A> row_weights(int64_t row, const int64_t* labels, const A* weights,
                                     int64_t classes, const FocalLossParams& params, double scale) {
  const int64_t label = labels[row];
  if (label == -1) return {label, A(0), A(0)};
  if (label < 0 || label > classes) {
    constexpr A kNan = std::numeric_limits<A>::quiet_NaN();
    return {label, kNan, kNan};
  }
  scale *= (weights ? static_cast<double>(weights[row]) : 1.0);
  return {label, static_cast<A>((1 - params.alpha) * scale), static_cast<A>(params.alpha * scale)};
}

template <class T, int size>
__global__ void focal_loss_kernel(int64_t n, const Vector<T, size>* logits, const int64_t* labels,
                                  const Accumulate<T>* weights, RowStep step,
                                  FocalLossParams params, const double* avg_factor,
                                  Vector<T, size>* grad, double* sums) {
  using A = Accumulate<T>;
  const Segment segment = warp_segment(n, kSegment);
  const A gamma = static_cast<A>(params.gamma);
  const double scale = avg_factor ? params.scale / *avg_factor : params.scale;
  double total = 0;
  int64_t at = segment.begin + segment.lane * size;
  RowWalk walk(at, step);
  for (; at < segment.end; at += kWarp * size, walk.advance(step)) {
    const Vector<T, size> x = logits[at / size];
    Vector<T, size> slope;
    int64_t row = walk.row;
    int64_t column = walk.column;
    RowWeights<A> weight = row_weights(row, labels, weights, step.columns, params, scale);
    for (int k = 0; k < size; ++k, ++column) {
      if (column == step.columns) {
        column = 0;
        weight = row_weights(++row, labels, weights, step.columns, params, scale);
      }
      const bool positive = column == weight.label;
      const A factor = positive ? weight.positive : weight.negative;
      const auto r = focal::of_logit(static_cast<A>(x[k]), positive, gamma);
      // What does not count is zero, even if it is NaN.
      total += static_cast<double>(factor == 0 ? A(0) : factor * r.loss);
      slope[k] = T(factor == 0 ? A(0) : factor * r.gradient);
    }
    if (grad) grad[at / size] = slope;
  }
  write_segment_sum(segment, total, sums);
}

}  // namespace

void focal_loss(ConstView logits, ConstView labels, ConstView weights,
                const FocalLossParams& params, ConstView avg_factor, View loss, View grad,
                Stream stream) {
  const int64_t classes = check_focal_loss(logits, labels, weights, params, grad);
  const int64_t n = logits.numel();
  visit_compute(logits.dtype, "focal_loss", [&]<class T>(T) {
    using A = Accumulate<T>;
    const SegmentSums sums(n, kSegment, stream);
    const auto start = [&]<int size>(std::integral_constant<int, size>) {
      launch_segments(focal_loss_kernel<T, size>, n, kSegment, stream,
                      vectors<size>(logits.as<T>()), labels.as<int64_t>(),
                      weights ? weights.as<A>() : nullptr, row_step(classes, kWarp * size), params,
                      avg_factor ? avg_factor.as<double>() : nullptr,
                      vectors<size>(grad ? grad.as<T>() : nullptr), sums.get());
    };
    const bool packed = is_packed(logits.as<T>(), n) && (!grad || is_packed(grad.as<T>(), n));
    if (n > 0) visit_pack<T>(packed, start);
    sums.join(loss.as<A>());
  });
}

}  // namespace kestrel::gpu
