#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <kestrel/registry/config.h>

namespace kestrel {

/// Reads one config file and its bases. Bounded in files, nodes and depth, so that a hostile file
/// is an error and not a hang.
class ConfigLoader {
 public:
  Config load(const std::filesystem::path& file);
  static Config parse(std::string_view text, std::string name);

 private:
  class Converter;

  Config load_bases(const Config& names, const std::filesystem::path& directory);
  static void substitute(Config& node, const Config& bases, const std::filesystem::path& file);

  std::vector<std::filesystem::path> open_;  // the files being read, for cycles
  int files_ = 0;
};

}  // namespace kestrel
