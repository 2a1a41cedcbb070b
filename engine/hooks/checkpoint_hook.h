#pragma once

#include <memory>

#include <kestrel/engine/checkpoint.h>
#include <kestrel/engine/hooks/hook.h>

namespace kestrel {

/// MMDetection's checkpoint_config.
struct CheckpointOptions {
  int64_t interval = 1;        ///< Epochs between checkpoints; the last epoch always has one.
  int64_t max_keep_ckpts = 0;  ///< How many epoch_N.safetensors stay; -1: all.

  template <class V>
  void visit(V& v) {
    v("interval", interval);
    v("max_keep_ckpts", max_keep_ckpts);
  }
};

/// Writes last.safetensors, and epoch_N.safetensors where they are to stay. Normal.
class CheckpointHook final : public Hook {
 public:
  explicit CheckpointHook(std::shared_ptr<const Checkpointer> checkpointer,
                          const CheckpointOptions& options = {});

  void after_epoch(Runner& runner) override;

 private:
  std::shared_ptr<const Checkpointer> checkpointer_;
  CheckpointOptions options_;
};

/// Writes resume.safetensors, from which a run continues. Lowest, so that it holds what the
/// evaluation of the epoch found.
class ResumeHook final : public Hook {
 public:
  explicit ResumeHook(std::shared_ptr<const Checkpointer> checkpointer, int64_t interval = 1);

  void after_epoch(Runner& runner) override;

 private:
  std::shared_ptr<const Checkpointer> checkpointer_;
  int64_t interval_;
};

}  // namespace kestrel
