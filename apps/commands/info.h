#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// `kestrel info CONFIG`: the model that a config describes, and how large it is.
void add_info(CLI::App& app);

}  // namespace kestrel::apps
