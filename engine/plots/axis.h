#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kestrel {

/// The range of an axis, and the round values in it that are marked.
struct PlotAxis {
  double low = 0;
  double high = 1;
  double step = 0.2;  ///< 1, 2 or 5 times a power of ten.
  std::vector<double> ticks;

  /// Where a value lies between low (0) and high (1).
  double place(double value) const { return (value - low) / (high - low); }
  /// "0.25", "300", "20k", "1e-05".
  std::string text(double tick) const;
};

/// An axis of exactly this range, or widened to the next ticks. A range that is empty or not finite
/// becomes one of length 1. `integers`: no ticks between whole numbers.
PlotAxis exact_axis(double low, double high, int64_t max_ticks, bool integers = false);
PlotAxis widened_axis(double low, double high, int64_t max_ticks, bool integers = false);

/// The axis for values that are mostly not negative, such as losses: from 0 where none is below it.
/// A few values far above the rest (98 of 100 lie below a quarter of them) do not stretch it.
/// Values that are not finite do not count.
PlotAxis value_axis(std::span<const double> values, int64_t max_ticks);

}  // namespace kestrel
