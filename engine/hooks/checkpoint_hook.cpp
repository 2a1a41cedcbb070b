#include <kestrel/engine/hooks/checkpoint_hook.h>

#include <fmt/format.h>

namespace kestrel {
namespace {

bool epoch_is_due(const Runner& runner, const CheckpointOptions& options) {
  const int64_t finished = runner.epoch() + 1;
  return finished == runner.max_epochs() ||
         (options.by_epoch && options.interval > 0 && finished % options.interval == 0);
}

bool iter_is_due(const Runner& runner, const CheckpointOptions& options) {
  return !options.by_epoch && options.interval > 0 && (runner.iter() + 1) % options.interval == 0;
}

std::string numbered_file(const std::string& unit, int64_t number) {
  return fmt::format("{}_{}.safetensors", unit, number);
}

}  // namespace

CheckpointHook::CheckpointHook(std::shared_ptr<Checkpointer> checkpointer,
                               const CheckpointOptions& options)
    : checkpointer_(std::move(checkpointer)), options_(options) {}

void CheckpointHook::after_iter(Runner& runner) {
  if (iter_is_due(runner, options_)) save_weights(runner, "iter", runner.iter() + 1);
}

void CheckpointHook::after_epoch(Runner& runner) {
  if (epoch_is_due(runner, options_)) save_weights(runner, "epoch", runner.epoch() + 1);
}

void CheckpointHook::save_weights(const Runner& runner, const std::string& unit, int64_t number) {
  checkpointer_->save_weights("last.safetensors", runner);
  if (options_.max_keep_ckpts == 0) return;
  std::vector<std::string> obsolete;
  if (options_.max_keep_ckpts > 0 && options_.interval > 0) {
    // From the newest that is too old downward, until one is absent: those of an earlier run that
    // used the same folder are left alone.
    int64_t old = (number - 1) / options_.interval * options_.interval;
    old -= (options_.max_keep_ckpts - 1) * options_.interval;
    for (; old > 0; old -= options_.interval) obsolete.push_back(numbered_file(unit, old));
  }
  checkpointer_->save_weights(numbered_file(unit, number), runner, obsolete);
}

ResumeHook::ResumeHook(std::shared_ptr<Checkpointer> checkpointer, const CheckpointOptions& options)
    : checkpointer_(std::move(checkpointer)), options_(options) {}

void ResumeHook::before_run(Runner& runner) {
  saved_ = runner.resume_point();
  last_save_ = std::chrono::steady_clock::now();
}

void ResumeHook::save_resume(const Runner& runner) {
  checkpointer_->save_resume(runner);
  saved_ = runner.resume_point();
  last_save_ = std::chrono::steady_clock::now();
}

void ResumeHook::after_iter(Runner& runner) {
  const std::chrono::duration<double, std::ratio<60>> since =
      std::chrono::steady_clock::now() - last_save_;
  const bool time_is_up = options_.resume_minutes > 0 && since.count() >= options_.resume_minutes;
  if (time_is_up || iter_is_due(runner, options_)) save_resume(runner);
}

void ResumeHook::after_epoch(Runner& runner) {
  if (epoch_is_due(runner, options_)) save_resume(runner);
}

void ResumeHook::after_run(Runner& runner) {
  if (runner.resume_point() != saved_) save_resume(runner);
}

}  // namespace kestrel
