#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// kestrel check-data: reads all of a data set and says what is in it and what is wrong.
void add_check_data(CLI::App& app);

}  // namespace kestrel::apps
