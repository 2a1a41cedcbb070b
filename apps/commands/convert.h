#pragma once

#include <CLI/CLI.hpp>

namespace kestrel::apps {

/// kestrel convert: weights between .pth and safetensors, and between naming schemes.
void add_convert(CLI::App& app);

}  // namespace kestrel::apps
