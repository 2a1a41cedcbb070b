#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// kestrel test: COCO's numbers of a model on a data set.
void add_test(CLI::App& app);

}  // namespace kestrel::apps
