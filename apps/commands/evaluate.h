#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// kestrel evaluate: COCO's numbers of a results file.
void add_evaluate(CLI::App& app);

}  // namespace kestrel::apps
