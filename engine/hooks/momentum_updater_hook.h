#pragma once

#include <memory>

#include <kestrel/engine/hooks/hook.h>
#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/engine/schedules/momentum_schedule.h>

namespace kestrel {

/// Sets the momentum, or beta1, of every group from its initial one before every iteration. High.
class MomentumUpdaterHook final : public Hook {
 public:
  /// Throws UsageError where the optimizer has neither.
  MomentumUpdaterHook(Optimizer& optimizer, std::unique_ptr<MomentumSchedule> schedule);

  void before_iter(Runner& runner) override;
  bool trains() const override { return true; }

 private:
  Optimizer& optimizer_;
  std::unique_ptr<MomentumSchedule> schedule_;
};

}  // namespace kestrel
