#include <kestrel/kernels/batch_norm.h>

#include <cmath>

#include <kestrel/kernels/common/batch_norm_checks.h>
#include <kestrel/kernels/cpu/normalize.h>

namespace kestrel::cpu {
namespace {

using normalize::Layout;

/// 1 / sqrt(variance + eps) per channel, times the weight where there is one.
template <class A>
std::vector<A> scales(ConstView variance, ConstView weight, double eps) {
  std::vector<A> result(static_cast<size_t>(variance.numel()));
  for (size_t c = 0; c < result.size(); ++c) {
    const double w = weight ? static_cast<double>(weight.as<A>()[c]) : 1.0;
    result[c] = static_cast<A>(w / std::sqrt(static_cast<double>(variance.as<A>()[c]) + eps));
  }
  return result;
}

}  // namespace

void batch_norm_statistics(ConstView x, View mean, View variance) {
  const Layout layout{check_batch_norm_statistics(x, mean, variance)};
  visit_compute(x.dtype, "batch_norm", [&]<class T>(T) {
    using A = Accumulate<T>;
    const normalize::Moments moments = normalize::moments(x.as<T>(), layout);
    const auto count = static_cast<double>(std::max<int64_t>(1, layout.rows));
    for (int64_t c = 0; c < layout.channels; ++c) {
      mean.as<A>()[c] = static_cast<A>(moments.mean[static_cast<size_t>(c)]);
      variance.as<A>()[c] = static_cast<A>(moments.deviation[static_cast<size_t>(c)] / count);
    }
  });
}

void batch_norm_update(ConstView mean, ConstView variance, int64_t count, double momentum,
                       View running_mean, View running_var) {
  if (count == 0) return;
  visit_compute(mean.dtype, "batch_norm", [&]<class A>(A) {
    const auto blend = [momentum](A& running, double batch) {
      running = A(static_cast<Accumulate<A>>((1 - momentum) * static_cast<double>(running) +
                                             momentum * batch));
    };
    const double unbias = static_cast<double>(count) / static_cast<double>(count - 1);
    for (int64_t c = 0; c < mean.numel(); ++c) {
      if (running_mean) blend(running_mean.as<A>()[c], static_cast<double>(mean.as<A>()[c]));
      if (running_var && count > 1) {
        blend(running_var.as<A>()[c], unbias * static_cast<double>(variance.as<A>()[c]));
      }
    }
  });
}

void batch_norm_forward(ConstView x, ConstView mean, ConstView variance, ConstView weight,
                        ConstView bias, ConstView residual, View y, const BatchNormParams& params) {
  const Layout layout{check_batch_norm_forward(x, mean, variance, weight, bias, residual, y)};
  visit_compute(x.dtype, "batch_norm", [&]<class T>(T) {
    using A = Accumulate<T>;
    const std::vector<A> scale = scales<A>(variance, weight, params.eps);
    const std::vector<A> zero(bias ? 0 : scale.size());
    normalize::forward(x.as<T>(), mean.as<A>(), scale.data(), bias ? bias.as<A>() : zero.data(),
                       residual ? residual.as<T>() : nullptr, params.relu, y.as<T>(), layout);
  });
}

void batch_norm_backward(ConstView x, ConstView y, ConstView grad_y, ConstView mean,
                         ConstView variance, ConstView weight, View grad_x, View grad_residual,
                         View grad_weight, View grad_bias, const BatchNormParams& params) {
  const Layout layout{
      check_batch_norm_backward(x, grad_y, grad_x, grad_residual, grad_weight, grad_bias)};
  visit_compute(x.dtype, "batch_norm", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* mask = params.relu ? y.as<T>() : nullptr;
    const auto channels = static_cast<size_t>(layout.channels);
    const std::vector<A> scale = scales<A>(variance, weight, params.eps);
    std::vector<A> slope, offset;
    if (grad_weight || grad_bias || (grad_x && params.batch_statistics)) {
      const normalize::GradientSums sums =
          normalize::gradient_sums(x.as<T>(), mask, grad_y.as<T>(), mean.as<A>(), layout);
      const auto count = static_cast<double>(std::max<int64_t>(1, layout.rows));
      slope.resize(channels);
      offset.resize(channels);
      for (size_t c = 0; c < channels; ++c) {
        const double rstd = 1 / std::sqrt(static_cast<double>(variance.as<A>()[c]) + params.eps);
        if (grad_weight) grad_weight.as<A>()[c] = static_cast<A>(sums.grad_x[c] * rstd);
        if (grad_bias) grad_bias.as<A>()[c] = static_cast<A>(sums.grad[c]);
        const auto s = static_cast<double>(scale[c]);
        slope[c] = static_cast<A>(s * rstd * rstd * sums.grad_x[c] / count);
        offset[c] = static_cast<A>(s * sums.grad[c] / count);
      }
    }
    if (grad_x || grad_residual) {
      normalize::backward(x.as<T>(), mask, grad_y.as<T>(), mean.as<A>(), scale.data(),
                          params.batch_statistics ? slope.data() : nullptr, offset.data(),
                          grad_x ? grad_x.as<T>() : nullptr,
                          grad_residual ? grad_residual.as<T>() : nullptr, layout);
    }
  });
}

}  // namespace kestrel::cpu
