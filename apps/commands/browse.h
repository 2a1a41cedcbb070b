#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// kestrel browse: a contact sheet of a data set after augmentation.
void add_browse(CLI::App& app);

}  // namespace kestrel::apps
