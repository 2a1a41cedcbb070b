#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <kestrel/engine/checkpoints/checkpoint_writer.h>
#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/engine/runner.h>
#include <kestrel/layers/module.h>

namespace kestrel {

/// Saves a model's weights and everything that a run needs to continue. Values are copied at once;
/// a CheckpointWriter then writes them while training goes on.
class Checkpointer {
 public:
  /// `metadata` goes into every file: the resolved config, the class names.
  Checkpointer(Module& model, Optimizer& optimizer, std::filesystem::path folder,
               std::map<std::string, std::string> metadata = {});

  const std::filesystem::path& folder() const { return folder_; }
  /// Where save_weights() puts a file.
  std::filesystem::path weights_file(const std::string& name) const {
    return folder_ / "weights" / name;
  }
  /// What save_weights() saves in place of the model's own state, such as its moving average.
  void use_weights(std::function<StateDict()> source) { weights_ = std::move(source); }

  /// Parameters and buffers as folder/weights/name, which Detector::load reads. Once it is there,
  /// `obsolete` ones are removed, in their order until one is absent.
  void save_weights(const std::string& name, const Runner& runner,
                    const std::vector<std::string>& obsolete = {});
  /// Everything that a run needs to continue from runner.resume_point(), as
  /// folder/resume.safetensors; the one before stays as folder/resume.previous.safetensors.
  void save_resume(const Runner& runner);
  /// Waits until everything was tried once; what failed is tried again with the next save.
  void wait() { writer_.wait(); }
  /// Waits until everything is written. Throws ModelFileError for what could not be.
  void finish() { writer_.finish(); }
  /// Time spent writing, beside the training.
  double writing_seconds() const { return writer_.busy_seconds(); }

  /// Continues from a file that save_resume wrote (read_resume_file), before runner.run(). Throws
  /// ModelFileError if it does not fit the model or the run. Where the number of iterations per
  /// epoch is another, as with another batch size, that too is an error within an epoch, unless
  /// `any_epoch_length`: then the run goes on from the same share of the epoch.
  void resume(const std::filesystem::path& file, Runner& runner, bool any_epoch_length = false);

 private:
  Module& model_;
  Optimizer& optimizer_;
  std::filesystem::path folder_;
  std::map<std::string, std::string> metadata_;
  std::function<StateDict()> weights_;
  CheckpointWriter writer_;
};

/// folder/resume.safetensors, and where its predecessor stays.
std::filesystem::path resume_file(const std::filesystem::path& folder);
std::filesystem::path previous_resume_file(const std::filesystem::path& file);

/// Reads a resume file; where it is absent or damaged and its predecessor is not, that one, with a
/// warning. Throws ModelFileError.
Safetensors read_resume_file(const std::filesystem::path& file);

}  // namespace kestrel
