#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/engine/runner.h>
#include <kestrel/layers/module.h>

namespace kestrel {

/// Writes a model's weights and everything that a run needs to continue, and reads it back. Every
/// file is complete or absent: it is written beside its place and renamed.
class Checkpointer {
 public:
  /// `metadata` goes into every weights file: the resolved config, the class names.
  Checkpointer(Module& model, Optimizer& optimizer, std::filesystem::path folder,
               std::map<std::string, std::string> metadata = {});

  const std::filesystem::path& folder() const { return folder_; }

  /// Parameters and buffers as folder/name, which Detector::load reads.
  std::filesystem::path save_weights(const std::string& name, const Runner& runner) const;
  /// Weights, optimizer and the runner's counters at the end of an epoch, in one file, as
  /// folder/name.
  std::filesystem::path save_resume(const std::string& name, const Runner& runner) const;
  /// Continues from a file that save_resume wrote. Throws ModelFileError if it does not fit
  /// the model or the run.
  void resume(const std::filesystem::path& file, Runner& runner) const;

 private:
  Module& model_;
  Optimizer& optimizer_;
  std::filesystem::path folder_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace kestrel
