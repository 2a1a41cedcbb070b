#pragma once

#include <functional>
#include <string_view>

#include <kestrel/registry/config.h>

namespace kestrel {

/// Takes from a config what a run of MMDetection reads and one of Kestrel does not, and from one
/// that was read from .py files the variables that it is written with (data_root, img_norm_cfg);
/// says what of it is without effect. Throws UsageError for a workflow other than training.
void drop_foreign_settings(Config& config, const std::function<void(std::string_view)>& say);

}  // namespace kestrel
