#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// kestrel print-config: a config with its bases and overrides resolved.
void add_print_config(CLI::App& app);

}  // namespace kestrel::apps
