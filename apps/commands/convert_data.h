#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

void add_convert_data(CLI::App& app);

}  // namespace kestrel::apps
