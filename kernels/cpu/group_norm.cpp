#include <kestrel/kernels/group_norm.h>

#include <cmath>

#include <kestrel/kernels/common/group_norm_checks.h>
#include <kestrel/kernels/cpu/normalize.h>

namespace kestrel::cpu {

void group_norm_forward(ConstView x, ConstView weight, ConstView bias, View y, View mean, View rstd,
                        const GroupNormParams& params) {
  const normalize::Layout layout{check_group_norm_forward(x, weight, bias, params)};
  const int64_t channels = layout.channels, width = channels / params.groups;
  visit_compute(x.dtype, "group_norm", [&]<class T>(T) {
    using A = Accumulate<T>;
    const normalize::Moments moments = normalize::moments(x.as<T>(), layout);
    const auto count = static_cast<size_t>(layout.coefficients());
    std::vector<A> center(count), scale(count), shift(count);
    for (int64_t group = 0; group < layout.images * params.groups; ++group) {
      const auto first = static_cast<size_t>(group * width);
      double m = 0, deviation = 0;
      for (size_t i = 0; i < static_cast<size_t>(width) && layout.rows; ++i) {
        const auto rows = static_cast<double>(layout.rows);
        normalize::join(m, deviation, static_cast<double>(i) * rows, moments.mean[first + i],
                        moments.deviation[first + i], rows);
      }
      const auto values = static_cast<double>(std::max<int64_t>(1, layout.rows * width));
      const double r = 1 / std::sqrt(deviation / values + params.eps);
      mean.as<A>()[group] = static_cast<A>(m);
      rstd.as<A>()[group] = static_cast<A>(r);
      for (size_t i = first; i < first + static_cast<size_t>(width); ++i) {
        const size_t c = i % static_cast<size_t>(channels);
        center[i] = static_cast<A>(m);
        scale[i] = static_cast<A>(weight ? r * static_cast<double>(weight.as<A>()[c]) : r);
        shift[i] = bias ? bias.as<A>()[c] : A{0};
      }
    }
    normalize::forward<T>(x.as<T>(), center.data(), scale.data(), shift.data(), nullptr,
                          params.relu, y.as<T>(), layout);
  });
}

void group_norm_backward(ConstView x, ConstView y, ConstView grad_y, ConstView mean, ConstView rstd,
                         ConstView weight, View grad_x, View grad_weight, View grad_bias,
                         const GroupNormParams& params) {
  const normalize::Layout layout{
      check_group_norm_backward(x, weight, grad_weight, grad_bias, params)};
  const int64_t channels = layout.channels, width = channels / params.groups;
  visit_compute(x.dtype, "group_norm", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* mask = params.relu ? y.as<T>() : nullptr;
    const auto count = static_cast<size_t>(layout.coefficients());
    std::vector<A> center(count), scale(count), slope(count), offset(count);
    for (size_t i = 0; i < count; ++i) center[i] = mean.as<A>()[static_cast<int64_t>(i) / width];
    const normalize::GradientSums sums =
        normalize::gradient_sums(x.as<T>(), mask, grad_y.as<T>(), center.data(), layout);

    std::vector<double> weight_sum(static_cast<size_t>(channels));
    std::vector<double> bias_sum(static_cast<size_t>(channels));
    for (int64_t group = 0; group < layout.images * params.groups; ++group) {
      const auto first = static_cast<size_t>(group * width);
      const auto r = static_cast<double>(rstd.as<A>()[group]);
      double grad = 0, grad_deviation = 0;
      for (size_t i = first; i < first + static_cast<size_t>(width); ++i) {
        const size_t c = i % static_cast<size_t>(channels);
        const double w = weight ? static_cast<double>(weight.as<A>()[c]) : 1.0;
        grad += w * sums.grad[i];
        grad_deviation += w * sums.grad_x[i];
        weight_sum[c] += sums.grad_x[i] * r;
        bias_sum[c] += sums.grad[i];
        scale[i] = static_cast<A>(w * r);
      }
      const auto values = static_cast<double>(std::max<int64_t>(1, layout.rows * width));
      for (size_t i = first; i < first + static_cast<size_t>(width); ++i) {
        slope[i] = static_cast<A>(r * r * r * grad_deviation / values);
        offset[i] = static_cast<A>(r * grad / values);
      }
    }
    for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
      if (grad_weight) grad_weight.as<A>()[c] = static_cast<A>(weight_sum[c]);
      if (grad_bias) grad_bias.as<A>()[c] = static_cast<A>(bias_sum[c]);
    }
    if (grad_x) {
      normalize::backward<T>(x.as<T>(), mask, grad_y.as<T>(), center.data(), scale.data(),
                             slope.data(), offset.data(), grad_x.as<T>(), nullptr, layout);
    }
  });
}

}  // namespace kestrel::cpu
