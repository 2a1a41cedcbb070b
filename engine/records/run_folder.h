#pragma once

#include <filesystem>
#include <string>

namespace kestrel {

/// The first of runs/<name>1, runs/<name>2, ... that does not exist yet.
std::filesystem::path next_run_folder(const std::string& name);

/// The folder of that form with the highest number. Where `name` is empty: of all folders in runs/
/// that a run can continue in, the one that was written to last. Empty where there is none.
std::filesystem::path newest_run_folder(const std::string& name);

}  // namespace kestrel
