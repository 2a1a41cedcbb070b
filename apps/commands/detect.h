#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// kestrel detect: finds objects in pictures.
void add_detect(CLI::App& app);

}  // namespace kestrel::apps
