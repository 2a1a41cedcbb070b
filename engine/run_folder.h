#pragma once

#include <filesystem>
#include <string>

namespace kestrel {

/// The first of runs/<name>1, runs/<name>2, ... that does not exist yet.
std::filesystem::path next_run_folder(const std::string& name);

}  // namespace kestrel
