#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// kestrel train: trains what a config file describes.
void add_train(CLI::App& app);

}  // namespace kestrel::apps
