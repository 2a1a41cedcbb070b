#pragma once

#include <filesystem>
#include <string>

#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/engine/detection_task.h>
#include <kestrel/engine/hooks/text_logger_hook.h>
#include <kestrel/engine/runner.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// Runs the forward pass of a batch and names the first layer, as in "backbone.layer1.0.conv1
/// (conv2d)", whose output is not finite, or what was not finite before: the images, a parameter.
/// Empty where everything is. The model should be in training mode.
std::string first_not_finite(BaseDetector& model, const Batch& batch);

/// Everything that a training step depends on, in one file for replay_step(): batch, weights,
/// config and the settings of the run, with `metadata` (model_metadata).
struct ReplayInfo {
  const Runner& runner;
  uint64_t seed = 0;
  bool amp = false;
  std::map<std::string, std::string> metadata;
};
void write_replay(const std::filesystem::path& file, const Module& model, const Batch& batch,
                  const ReplayInfo& info);

/// What is to be said of a batch whose loss is not finite: its images, the first layer, and the
/// dump that this writes into the folder, with the command that reproduces it.
std::string explain_not_finite(const std::filesystem::path& folder, BaseDetector& model,
                               const Batch& batch, const ReplayInfo& info);

/// Does the forward pass of such a file again and tells losses and images. Throws
/// NonFiniteLossError, naming the first layer, if a loss is not finite, and ModelFileError.
void replay_step(const std::filesystem::path& file, Device device, const LogSink& log);

}  // namespace kestrel
