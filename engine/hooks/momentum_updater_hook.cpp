#include <kestrel/engine/hooks/momentum_updater_hook.h>

#include <kestrel/engine/runner.h>

namespace kestrel {

MomentumUpdaterHook::MomentumUpdaterHook(Optimizer& optimizer,
                                         std::unique_ptr<MomentumSchedule> schedule)
    : optimizer_(optimizer), schedule_(std::move(schedule)) {
  if (!optimizer.has_momentum()) {
    fail<UsageError>(
        "[momentum_config] the optimizer has neither momentum nor betas; remove "
        "momentum_config or choose another optimizer");
  }
}

void MomentumUpdaterHook::before_iter(Runner& runner) {
  const Progress progress = runner.progress();
  auto& groups = optimizer_.groups();
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i].momentum =
        schedule_->momentum(groups[i].initial_momentum, progress, i, groups.size());
  }
}

}  // namespace kestrel
