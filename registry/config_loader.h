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
  static constexpr int kMaxDepth = 100;
  static constexpr int kMaxNodes = 20'000;
  static constexpr size_t kMaxBytes = 4 << 20;

  Config load(const std::filesystem::path& file);
  static Config parse(std::string_view text, std::string name);

  // For whoever makes a tree out of a file's text.

  static void set_place(Config& node, const std::shared_ptr<const std::string>& file, int line);
  /// Adds a key that the map is known not to have.
  static void append(Config& map, std::string key, Config value);
  static void mark_variable(Config& map, std::string_view key);
  /// Gives the whole tree of a file its paths, and its root the file.
  static void finish(Config& root, const std::string& file);
  /// The text that stands for {{_base_.name}} until the bases are known.
  static Config reference(std::string_view name);
  /// Whether a character marks such texts, and cannot be part of any other.
  static bool is_mark(char c);

 private:
  class Converter;

  static Config read(const std::filesystem::path& file);
  Config load_bases(const Config& names, const std::filesystem::path& directory);
  static void substitute(Config& node, const Config& bases, const std::filesystem::path& file);

  std::vector<std::filesystem::path> open_;  // the files being read, for cycles
  int files_ = 0;
};

}  // namespace kestrel
