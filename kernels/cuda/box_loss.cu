#include <kestrel/kernels/box_loss.h>

#include <kestrel/kernels/common/box_loss_checks.h>
#include <kestrel/kernels/common/box_row_loss.h>
#include <kestrel/kernels/cuda/box_rows.h>
#include <kestrel/kernels/cuda/segments.h>

namespace kestrel::gpu {
namespace {

/// Rows that one warp sums.
constexpr int64_t kSegment = 256;

template <bool packed, class T>
__global__ void box_loss_kernel(int64_t n, const T* pred, const T* target, const T* weights,
                                BoxLossParams params, const double* avg_factor, T* grad,
                                double* sums) {
  const Segment segment = warp_segment(n, kSegment);
  const double scale = avg_factor ? params.scale / *avg_factor : params.scale;
  double total = 0;
  for (int64_t i = segment.begin + segment.lane; i < segment.end; i += kWarp) {
    const double weight = scale * (weights ? static_cast<double>(weights[i]) : 1.0);
    geometry::RowLoss<T> row{};
    if (weight != 0) {
      row = geometry::row_loss(load_row<packed>(pred, i), load_row<packed>(target, i), params);
      total += weight * static_cast<double>(row.loss);
    }
    if (grad) {
      const T factor = static_cast<T>(weight);
      store_row<packed>(
          {factor * row.grad[0], factor * row.grad[1], factor * row.grad[2], factor * row.grad[3]},
          grad, i);
    }
  }
  write_segment_sum(segment, total, sums);
}

}  // namespace

void box_loss(ConstView pred, ConstView target, ConstView weights, const BoxLossParams& params,
              ConstView avg_factor, View loss, View grad, Stream stream) {
  check_box_loss(pred, target, weights, params, grad);
  const int64_t n = pred.size(0);
  const auto run = [&]<class T, bool packed>(T, std::bool_constant<packed>) {
    const SegmentSums sums(n, kSegment, stream);
    launch_segments(box_loss_kernel<packed, T>, n, kSegment, stream, pred.as<T>(), target.as<T>(),
                    weights ? weights.as<T>() : nullptr, params,
                    avg_factor ? avg_factor.as<double>() : nullptr, grad ? grad.as<T>() : nullptr,
                    sums.get());
    sums.join(loss.as<T>());
  };
  visit_rows(pred.dtype, run, pred.data, target.data, static_cast<const void*>(grad.data));
}

}  // namespace kestrel::gpu
