#pragma once

#include <chrono>

namespace kestrel {

/// Keeps pictures that are redrawn during a run from slowing it down: they may take half a percent
/// of its time. One for all hooks of a run that draw.
class DrawingBudget {
 public:
  using Clock = std::chrono::steady_clock;

  /// Whether something may be drawn now; the first drawing of a run always may.
  bool allows() const { return spent_ <= kShare * (Clock::now() - start_); }
  void spend(Clock::duration time) { spent_ += time; }

 private:
  static constexpr double kShare = 0.005;

  Clock::time_point start_ = Clock::now();
  Clock::duration spent_{};
};

}  // namespace kestrel
