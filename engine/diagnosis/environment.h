#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace kestrel {

/// What Kestrel was built from and what it runs on.
struct EnvironmentReport {
  /// Name and value; a fact of several lines has an empty name from the second on.
  std::vector<std::pair<std::string, std::string>> facts;
  /// What is wrong, and what to do about it.
  std::vector<std::string> problems;

  /// The facts as a table, then the problems, in about thirty lines.
  std::string text() const;
};

/// Looks at the build, the processor, memory, devices, libraries, the folder that runs are written
/// to, data sets and weights. Reads no annotations. Does not throw for what it finds wrong.
EnvironmentReport examine_environment(const std::filesystem::path& runs = "runs");

/// "Kestrel 0.1.0, revision 19f15ee".
std::string version_text();

}  // namespace kestrel
