#pragma once

#include <filesystem>
#include <string>

#include <kestrel/layers/module.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// Where a backbone's init_cfg points to: the file itself, or for torchvision://resnet50 the file
/// resnet50.safetensors in $KESTREL_WEIGHTS or ./weights. Empty where there is none.
std::filesystem::path find_pretrained(const std::string& checkpoint);

/// Loads the weights that a model config's backbone.init_cfg points to into the model's "backbone"
/// and returns their file; empty where the config has none. Throws UsageError where it is absent.
std::filesystem::path load_pretrained(const Config& model_config, Module& model);

}  // namespace kestrel
