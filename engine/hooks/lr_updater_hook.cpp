#include <kestrel/engine/hooks/lr_updater_hook.h>

#include <kestrel/engine/runner.h>

namespace kestrel {

void LrUpdaterHook::before_iter(Runner& runner) {
  const Progress progress = runner.progress();
  for (ParamGroup& group : optimizer_.groups()) {
    group.lr = schedule_->lr(group.initial_lr, progress);
  }
  if (!optimizer_.groups().empty()) runner.lr = optimizer_.groups().front().lr;
}

}  // namespace kestrel
