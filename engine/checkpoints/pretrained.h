#pragma once

#include <filesystem>
#include <string>

#include <kestrel/inference/weights.h>
#include <kestrel/layers/module.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// Loads the weights that a model config's backbone.init_cfg points to (find_pretrained) into the
/// model's "backbone" and returns their file; empty where the config has none. A classifier's fc.*
/// is left out; `prefix` of init_cfg takes a part of a larger model, `key` one of several sets of
/// weights. Throws UsageError where the
/// file is absent, ModelFileError where it does not fit.
std::filesystem::path load_pretrained(const Config& model_config, Module& model);

/// Loads weights to start training from. All of them have to fit but those of the head, which may
/// be one for other classes. Returns what to tell: the file, and what did not fit.
/// `key` chooses one of several sets of weights in a .pth (read_model_file).
std::string load_starting_weights(const std::filesystem::path& file, Module& model,
                                  const std::string& key = {});

}  // namespace kestrel
