#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <kestrel/kernels/error.h>

namespace kestrel {

/// A tree of settings: null, a scalar, a list, or a map that keeps its order. Every node knows the
/// file and line it was read from and its dotted path, so that whoever finds it wrong can say
/// where. Everything here that throws, throws UsageError.
class Config {
 public:
  enum class Kind : uint8_t { Null, Bool, Int, Float, String, List, Map };
  struct Entry;

  /// Null.
  Config();
  Config(std::nullptr_t);  // NOLINT(google-explicit-constructor): stands in for a value
  template <class T>
  requires std::same_as<T, bool> Config(T value)  // NOLINT(google-explicit-constructor)
      : kind_(Kind::Bool), int_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Config(T value)  // NOLINT(google-explicit-constructor)
      : kind_(Kind::Int), int_(static_cast<int64_t>(value)) {}
  template <std::floating_point T>
  Config(T value)  // NOLINT(google-explicit-constructor)
      : kind_(Kind::Float), float_(static_cast<double>(value)) {}
  template <class T>
  requires std::constructible_from<std::string_view, const T&> Config(
      const T& value)  // NOLINT(google-explicit-constructor)
      : kind_(Kind::String), string_(std::string_view(value)) {}
  static Config map();
  static Config list();

  /// Reads a YAML or JSON file, or one in Python as MMDetection's are (.py: python_config.h), and
  /// the files that it names under the top-level key `_base_` (one or a list of any of these forms,
  /// relative to the file). Maps merge over the base's, everything else replaces; a map with
  /// `_delete_: true` replaces too. The same top-level key in two bases is an error. In scalars,
  /// {{_base_.a.b}} stands for a value of the bases, {{fileDirname}}, {{fileBasename}},
  /// {{fileBasenameNoExtension}} and {{fileExtname}} for parts of the file's own path.
  static Config load(const std::filesystem::path& file);
  /// Reads YAML (or JSON) text; `name` stands for the file in errors. `_base_` is not followed.
  static Config parse(std::string_view text, std::string name = "config");

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::Null; }
  bool is_map() const { return kind_ == Kind::Map; }
  bool is_list() const { return kind_ == Kind::List; }
  bool is_string() const { return kind_ == Kind::String; }

  // Typed access; an integer serves as a float, nothing else is converted.
  bool as_bool() const;
  int64_t as_int() const;
  double as_float() const;
  const std::string& as_string() const;

  /// Number of items of a list or entries of a map; 0 for the rest.
  int64_t size() const;
  /// The items of a list, else an error.
  std::span<const Config> items() const;
  /// The entries of a map in their order, else an error.
  std::span<const Entry> entries() const;
  std::vector<std::string> keys() const;
  /// The value of a map's key, or null if there is none.
  const Config* find(std::string_view key) const;
  /// The value of a map's key, which has to be there.
  const Config& at(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }

  /// Sets a map's key; a null node becomes a map.
  void set(std::string_view key, Config value);
  /// Removes a map's key, if it is there.
  void erase(std::string_view key);
  /// Appends to a list; a null node becomes a list.
  void push_back(Config item);

  /// Lays `over` on this map as a file is laid on its bases.
  void merge(const Config& over);
  /// Applies "a.b.0.c=value" as given to --set: digits index lists, missing maps are made. A value
  /// is an int, float, true, false, None or null, text, 'text', "text", a list as a,b or [a, b] or
  /// (a, b), or a map as {a: b}.
  void apply_override(std::string_view assignment);

  /// Block YAML, which load() and parse() read back to an equal tree.
  std::string to_yaml() const;
  /// One line of JSON. Throws if a number is not finite.
  std::string to_json() const;

  /// Whether this is a top-level name of a config file in Python that the file itself reads, as
  /// img_norm_cfg is: what such a name is for is done when the file was read.
  bool is_variable() const { return variable_; }

  /// "file:line", "file", or "" for a node made in code.
  std::string location() const;
  /// The dotted path from the root, "model.backbone.depth"; "" at the root.
  const std::string& path() const { return path_; }
  /// The value in a few words, for errors: `"fifty"`, `a map`.
  std::string describe() const;
  /// Throws UsageError as "configs/x.yaml:12: model.backbone.depth: <message>".
  [[noreturn]] void fail(std::string_view message) const;

  /// Equal values in equal order of lists; where they come from and the order of keys don't count.
  friend bool operator==(const Config& a, const Config& b);

 private:
  friend class ConfigLoader;

  Config* find_mutable(std::string_view key);
  void set_path(std::string path);
  void set_origin(const std::shared_ptr<const std::string>& file, int line);
  void merge_into(const Config& over);
  void strip_delete_marks();

  Kind kind_ = Kind::Null;
  int64_t int_ = 0;
  double float_ = 0;
  std::string string_;
  std::vector<Config> items_;
  std::vector<Entry> entries_;
  std::shared_ptr<const std::string> file_;
  int line_ = 0;  // from 1; 0 is unknown
  bool variable_ = false;
  std::string path_;
};

struct Config::Entry {
  std::string key;
  Config value;
};

inline Config::Config() = default;
inline Config::Config(std::nullptr_t) {}

/// What an unquoted word means: null, a bool, an int, a float or text, by YAML 1.2's core schema
/// and Python's None, True and False.
Config parse_scalar(std::string_view word);

}  // namespace kestrel
