#include <kestrel/engine/hooks/lr_updater_hook.h>

#include <kestrel/engine/runner.h>

namespace kestrel {

void LrUpdaterHook::before_iter(Runner& runner) {
  const Progress progress = runner.progress();
  auto& groups = optimizer_.groups();
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i].lr = schedule_->lr(groups[i].initial_lr, progress, i, groups.size());
  }
  if (!optimizer_.groups().empty()) runner.lr = optimizer_.groups().front().lr;
}

}  // namespace kestrel
