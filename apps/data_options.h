#pragma once

#include <CLI/CLI.hpp>

#include <kestrel/data/datasets/open.h>

namespace kestrel::apps {

/// --val-share, --annotations, --images, --val-annotations and --val-images: what a directory does
/// not say of itself.
void add_data_options(CLI::App& app, RecogniseOptions& options);

}  // namespace kestrel::apps
