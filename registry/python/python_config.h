#pragma once

#include <string>
#include <string_view>

#include <kestrel/registry/config.h>

namespace kestrel::python {

/// Reads a config file written in Python, as MMDetection's are, without running Python: every name
/// that it gives a value is a key, but for those that begin with two underscores. Tuples become
/// lists, keys become text as in JSON. {{_base_.a.b}} becomes a text that ConfigLoader knows.
/// Bounded in depth, size and time. Throws UsageError with file and line.
Config read_config(std::string_view text, const std::string& name);

}  // namespace kestrel::python
