#include <kestrel/engine/hooks/checkpoint_hook.h>

namespace kestrel {
namespace {

bool is_due(const Runner& runner, int64_t interval) {
  const int64_t finished = runner.epoch() + 1;
  return finished == runner.max_epochs() || (interval > 0 && finished % interval == 0);
}

std::string epoch_file(int64_t epoch) {
  return std::string("epoch_").append(std::to_string(epoch)).append(".safetensors");
}

}  // namespace

CheckpointHook::CheckpointHook(std::shared_ptr<const Checkpointer> checkpointer,
                               const CheckpointOptions& options)
    : checkpointer_(std::move(checkpointer)), options_(options) {}

void CheckpointHook::after_epoch(Runner& runner) {
  if (!is_due(runner, options_.interval)) return;
  checkpointer_->save_weights("last.safetensors", runner);
  if (options_.max_keep_ckpts == 0) return;
  const int64_t finished = runner.epoch() + 1;
  checkpointer_->save_weights(epoch_file(finished), runner);
  if (options_.max_keep_ckpts < 0 || options_.interval <= 0) return;
  // From the newest that is too old downward, until one is absent: those of an earlier run that
  // used the same folder are left alone.
  int64_t old = (finished - 1) / options_.interval * options_.interval;
  old -= (options_.max_keep_ckpts - 1) * options_.interval;
  for (; old > 0; old -= options_.interval) {
    if (!std::filesystem::remove(checkpointer_->folder() / epoch_file(old))) break;
  }
}

ResumeHook::ResumeHook(std::shared_ptr<const Checkpointer> checkpointer, int64_t interval)
    : checkpointer_(std::move(checkpointer)), interval_(interval) {}

void ResumeHook::after_epoch(Runner& runner) {
  if (is_due(runner, interval_)) checkpointer_->save_resume("resume.safetensors", runner);
}

}  // namespace kestrel
