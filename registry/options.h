#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <kestrel/registry/config.h>
#include <kestrel/registry/nearest_name.h>

namespace kestrel {

// An options struct names its members once, and code and config files share it:
//
//   struct ResNetOptions {
//     int depth = 50;
//     Style style = Style::PyTorch;
//     std::optional<NormOptions> norm_cfg;  // a nested options struct
//     Config init_cfg;                      // kept as it is, for another registry to build from
//     template <class V> void visit(V& v) {
//       v("depth", depth, "18, 34, 50, 101 or 152");
//       v("style", style, "where a bottleneck has its stride: 3x3 (pytorch) or 1x1 (caffe)");
//       v("norm_cfg", norm_cfg, "the norms");
//       v("init_cfg", init_cfg, "{type: Pretrained, checkpoint: file}");
//     }
//   };
//
// The line of help is for `kestrel components` and docs/components.md (option_docs.h).
//
// An enum takes part through a function found by its argument, which needs no header of ours:
//
//   constexpr auto enum_names(Style) {
//     return std::array{std::pair{Style::PyTorch, "pytorch"}, std::pair{Style::Caffe, "caffe"}};
//   }

// A type with `void read(const Config&)` and `Config write() const` reads and writes itself, for a
// setting that has more than one form.

class OptionsReader;
class OptionsWriter;

namespace options_detail {

template <class T>
concept Struct = requires(T& options, OptionsReader& reader) {
  options.visit(reader);
};

template <class T>
concept SelfReading = requires(T& value, const Config& node) {
  value.read(node);
  { value.write() } -> std::same_as<Config>;
};

template <class T>
concept NamedEnum = std::is_enum_v<T> && requires(T value) {
  enum_names(value);
};

template <class T>
inline constexpr bool kIsVector = false;
template <class T>
inline constexpr bool kIsVector<std::vector<T>> = true;
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <class T>
inline constexpr bool kIsFixed = false;
template <class T, size_t N>
inline constexpr bool kIsFixed<std::array<T, N>> = true;
template <class T, class U>
inline constexpr bool kIsFixed<std::pair<T, U>> = true;
template <class T>
inline constexpr bool kUnsupported = false;

template <class T>
void read_value(const Config& node, T& value);
template <class T>
Config write_value(T& value);

}  // namespace options_detail

/// Hands a map's values to the members that visit() names. A key that is absent leaves the member
/// as it is.
class OptionsReader {
 public:
  explicit OptionsReader(const Config& node) : node_(node) {}

  template <class T>
  void operator()(const char* name, T& value, const char* /*help*/ = "") {
    names_.emplace_back(name);
    if (const Config* found = node_.find(name)) options_detail::read_value(*found, value);
  }
  /// Throws if the map has a key that was not named, saying which name is near.
  void refuse_unknown_keys(std::initializer_list<std::string_view> also_known) const;

 private:
  const Config& node_;
  std::vector<std::string> names_;
};

/// The other way: collects what visit() names into a map.
class OptionsWriter {
 public:
  template <class T>
  void operator()(const char* name, T& value, const char* /*help*/ = "") {
    node_.set(name, options_detail::write_value(value));
  }
  Config take() { return std::move(node_); }

 private:
  Config node_ = Config::map();
};

/// Reads a map into an options struct over its defaults. Every key has to be one that the struct
/// names, or one of `also_known`.
template <class Options>
Options read_options(const Config& node, Options options = {},
                     std::initializer_list<std::string_view> also_known = {}) {
  OptionsReader reader(node);
  options.visit(reader);
  reader.refuse_unknown_keys(also_known);
  return options;
}

/// The map from which read_options gives the same options; `type`, if given, becomes its first key,
/// so that a registry can build from it.
template <class Options>
Config write_options(Options options, std::string_view type = {}) {
  OptionsWriter writer;
  if (!type.empty()) writer("type", type);
  options.visit(writer);
  return writer.take();
}

namespace options_detail {

[[noreturn]] void fail_size(const Config& node, size_t expected);
[[noreturn]] void fail_enum(const Config& node, const std::vector<std::string>& names);
[[noreturn]] void fail_range(const Config& node);

template <class T>
void read_enum(const Config& node, T& value) {
  std::vector<std::string> names;
  for (const auto& [candidate, name] : enum_names(T{})) {
    if (node.is_string() && node.as_string() == name) {
      value = candidate;
      return;
    }
    names.emplace_back(name);
  }
  fail_enum(node, names);
}

template <class T>
void read_value(const Config& node, T& value) {
  if constexpr (std::is_same_v<T, Config>) {
    value = node;
  } else if constexpr (std::is_same_v<T, bool>) {
    value = node.as_bool();
  } else if constexpr (std::integral<T>) {
    const int64_t number = node.as_int();
    if (!std::in_range<T>(number)) fail_range(node);
    value = static_cast<T>(number);
  } else if constexpr (std::floating_point<T>) {
    value = static_cast<T>(node.as_float());
  } else if constexpr (std::is_same_v<T, std::string>) {
    value = node.as_string();
  } else if constexpr (SelfReading<T>) {
    value.read(node);
  } else if constexpr (NamedEnum<T>) {
    read_enum(node, value);
  } else if constexpr (kIsOptional<T>) {
    value.reset();
    if (!node.is_null()) read_value(node, value.emplace());
  } else if constexpr (kIsVector<T>) {
    value.clear();
    for (const Config& item : node.items()) {
      typename T::value_type element{};
      read_value(item, element);
      value.push_back(std::move(element));
    }
  } else if constexpr (kIsFixed<T>) {
    const auto items = node.items();
    if (items.size() != std::tuple_size_v<T>) fail_size(node, std::tuple_size_v<T>);
    [&]<size_t... I>(std::index_sequence<I...>) {
      (read_value(items[I], std::get<I>(value)), ...);
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (Struct<T>) {
    value = read_options<T>(node, std::move(value));
  } else {
    static_assert(kUnsupported<T>, "an option of this type cannot be read from a config");
  }
}

template <class T>
Config write_value(T& value) {
  if constexpr (std::is_same_v<T, Config> || std::integral<T> || std::floating_point<T> ||
                std::constructible_from<std::string_view, const T&>) {
    return value;
  } else if constexpr (SelfReading<T>) {
    return value.write();
  } else if constexpr (NamedEnum<T>) {
    for (const auto& [candidate, name] : enum_names(T{})) {
      if (candidate == value) return name;
    }
    return {};
  } else if constexpr (kIsOptional<T>) {
    return value ? write_value(*value) : Config();
  } else if constexpr (kIsVector<T>) {
    Config list = Config::list();
    for (size_t i = 0; i < value.size(); ++i) {
      typename T::value_type element = value[i];
      list.push_back(write_value(element));
    }
    return list;
  } else if constexpr (kIsFixed<T>) {
    Config list = Config::list();
    [&]<size_t... I>(std::index_sequence<I...>) {
      (list.push_back(write_value(std::get<I>(value))), ...);
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
    return list;
  } else {
    static_assert(Struct<T>, "an option of this type cannot be written to a config");
    return write_options(value);
  }
}

}  // namespace options_detail
/// A list that a config may also give as its only element: direction: horizontal.
template <class T>
struct OneOrMore {
  std::vector<T> values = {};

  static std::string type_text();
  void read(const Config& node) {
    if (node.is_list()) {
      options_detail::read_value(node, values);
    } else {
      values.resize(1);
      options_detail::read_value(node, values.front());
    }
  }
  Config write() const {
    std::vector<T> copy = values;
    return options_detail::write_value(copy);
  }
};

}  // namespace kestrel
