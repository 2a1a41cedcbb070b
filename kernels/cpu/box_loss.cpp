#include <kestrel/kernels/box_loss.h>

#include <vector>

#include <kestrel/kernels/common/box_loss_checks.h>
#include <kestrel/kernels/common/box_row_loss.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kGrain = 1024;

}  // namespace

void box_loss(ConstView pred, ConstView target, ConstView weights, const BoxLossParams& params,
              ConstView avg_factor, View loss, View grad) {
  check_box_loss(pred, target, weights, params, grad);
  const int64_t n = pred.size(0);
  const double scale = avg_factor ? params.scale / *avg_factor.as<double>() : params.scale;
  const auto compute = [&]<class T>(T) {
    const T* p = pred.as<T>();
    const T* t = target.as<T>();
    const T* w = weights ? weights.as<T>() : nullptr;
    T* g = grad ? grad.as<T>() : nullptr;
    std::vector<double> partial(static_cast<size_t>((n + kGrain - 1) / kGrain));
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
      double total = 0;
      for (int64_t i = begin; i < end; ++i) {
        const double weight = scale * (w ? static_cast<double>(w[i]) : 1.0);
        geometry::RowLoss<T> row{};
        if (weight != 0) {
          row = geometry::row_loss(geometry::load_box(p + i * 4), geometry::load_box(t + i * 4),
                                   params);
          total += weight * static_cast<double>(row.loss);
        }
        for (int k = 0; g && k < 4; ++k) g[i * 4 + k] = static_cast<T>(weight) * row.grad[k];
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
