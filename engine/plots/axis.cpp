#include <kestrel/engine/plots/axis.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kestrel {
namespace {

/// The smallest round step that gives at most so many ticks.
double round_step(double range, int64_t max_ticks) {
  const double raw = range / static_cast<double>(std::max<int64_t>(1, max_ticks));
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

PlotAxis with_step(double low, double high, int64_t max_ticks, bool integers) {
  if (!std::isfinite(low) || !std::isfinite(high)) {
    low = 0;
    high = 1;
  } else if (!(high - low > 1e-12 * std::max(std::abs(low), std::abs(high)))) {
    high = low + 1;
  }
  const double step = round_step(high - low, max_ticks);
  return {.low = low, .high = high, .step = integers ? std::max(1.0, step) : step, .ticks = {}};
}

void set_ticks(PlotAxis& axis) {
  const double first = std::ceil(axis.low / axis.step - 1e-9);
  for (double i = first; i * axis.step <= axis.high + 1e-9 * axis.step; ++i) {
    axis.ticks.push_back(i * axis.step);
  }
}

}  // namespace

std::string PlotAxis::text(double tick) const {
  if (std::abs(tick) < 1e-9 * step) return "0";
  if (step >= 1000) return fmt::format("{:g}k", tick / 1000);
  const int digits = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  return digits > 4 ? fmt::format("{:g}", tick) : fmt::format("{:.{}f}", tick, digits);
}

PlotAxis exact_axis(double low, double high, int64_t max_ticks, bool integers) {
  PlotAxis axis = with_step(low, high, max_ticks, integers);
  set_ticks(axis);
  return axis;
}

PlotAxis widened_axis(double low, double high, int64_t max_ticks, bool integers) {
  PlotAxis axis = with_step(low, high, max_ticks, integers);
  axis.low = axis.step * std::floor(axis.low / axis.step + 1e-9);
  axis.high = axis.step * std::ceil(axis.high / axis.step - 1e-9);
  set_ticks(axis);
  return axis;
}

PlotAxis value_axis(std::span<const double> values, int64_t max_ticks) {
  std::vector<double> sorted;
  std::ranges::copy_if(values, std::back_inserter(sorted),
                       [](double v) { return std::isfinite(v); });
  if (sorted.empty()) return exact_axis(0, 1, max_ticks);
  std::ranges::sort(sorted);
  const double low = std::min(0.0, sorted.front());
  double high = sorted.back();
  const double usual = sorted[(sorted.size() - 1) * 98 / 100];
  if (sorted.size() >= 20 && high > 4 * usual && usual > 0) high = 1.5 * usual;
  return widened_axis(low, high, max_ticks);
}

}  // namespace kestrel
