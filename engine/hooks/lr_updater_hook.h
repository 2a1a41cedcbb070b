#pragma once

#include <memory>

#include <kestrel/engine/hooks/hook.h>
#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/engine/schedules/lr_schedule.h>

namespace kestrel {

/// Sets the learning rate of every group from its initial_lr before every iteration. VeryHigh.
class LrUpdaterHook final : public Hook {
 public:
  LrUpdaterHook(Optimizer& optimizer, std::unique_ptr<LrSchedule> schedule)
      : optimizer_(optimizer), schedule_(std::move(schedule)) {}

  void before_iter(Runner& runner) override;
  bool trains() const override { return true; }

 private:
  Optimizer& optimizer_;
  std::unique_ptr<LrSchedule> schedule_;
};

}  // namespace kestrel
