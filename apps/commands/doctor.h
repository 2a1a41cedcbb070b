#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// kestrel doctor: what Kestrel was built from and runs on, and what is wrong with it.
void add_doctor(CLI::App& app);

}  // namespace kestrel::apps
