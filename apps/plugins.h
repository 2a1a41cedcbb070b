#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// --plugin FILE...: loaded as soon as it is read.
void add_plugin_option(CLI::App& command);

}  // namespace kestrel::apps
