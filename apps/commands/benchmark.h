#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// kestrel benchmark: where a model's time goes.
void add_benchmark(CLI::App& app);

}  // namespace kestrel::apps
