#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <kestrel/engine/checkpoints/checkpoint.h>
#include <kestrel/engine/hooks/hook.h>

namespace kestrel {

/// MMDetection's checkpoint_config.
struct CheckpointOptions {
  int64_t interval = 1;
  bool by_epoch = true;
  int64_t max_keep_ckpts = 0;
  double resume_minutes = 10;

  template <class V>
  void visit(V& v) {
    v("interval", interval, "between checkpoints; the last epoch always has one");
    v("by_epoch", by_epoch, "interval counts epochs, else iterations");
    v("max_keep_ckpts", max_keep_ckpts,
      "how many epoch_N.safetensors stay beside last.safetensors; -1: all");
    v("resume_minutes", resume_minutes,
      "resume.safetensors is also written every so many minutes; 0: only with checkpoints");
  }
};

/// Writes weights/last.safetensors, and the numbered files where they are to stay. Normal.
class CheckpointHook final : public Hook {
 public:
  explicit CheckpointHook(std::shared_ptr<Checkpointer> checkpointer,
                          const CheckpointOptions& options = {});

  void after_iter(Runner& runner) override;
  void after_epoch(Runner& runner) override;

 private:
  void save_weights(const Runner& runner, const std::string& unit, int64_t number);

  std::shared_ptr<Checkpointer> checkpointer_;
  CheckpointOptions options_;
};

/// Writes resume.safetensors, from which a run continues: with every checkpoint, every
/// resume_minutes, and where the run is stopped. Lowest, so that it holds what all others did.
class ResumeHook final : public Hook {
 public:
  explicit ResumeHook(std::shared_ptr<Checkpointer> checkpointer,
                      const CheckpointOptions& options = {});

  void before_run(Runner& runner) override;
  void after_iter(Runner& runner) override;
  void after_epoch(Runner& runner) override;
  void after_run(Runner& runner) override;

 private:
  void save_resume(const Runner& runner);

  std::shared_ptr<Checkpointer> checkpointer_;
  CheckpointOptions options_;
  Position saved_;
  std::chrono::steady_clock::time_point last_save_;
};

}  // namespace kestrel
