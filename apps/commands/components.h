#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// `kestrel components`: what a config can name, with its options.
void add_components(CLI::App& app);

}  // namespace kestrel::apps
