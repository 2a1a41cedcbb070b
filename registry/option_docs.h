#pragma once

#include <array>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <kestrel/registry/options.h>

namespace kestrel {

/// What is known of an option: from its visit().
struct OptionDoc {
  std::string name;   ///< "depth"; of a map inside, "norm_cfg.type".
  std::string type;   ///< "int", "text", "list of float", "pytorch | caffe", ...
  std::string value;  ///< The default, as JSON.
  std::string help;   ///< One line.
};

/// Collects what visit() names. Members of nested options follow the member that holds them.
class OptionDescriber {
 public:
  explicit OptionDescriber(std::string prefix = {}) : prefix_(std::move(prefix)) {}

  template <class T>
  void operator()(const char* name, T& value, const char* help = "");
  std::vector<OptionDoc> take() { return std::move(docs_); }

 private:
  template <class T>
  void nested(const std::string& name);

  std::string prefix_;
  std::vector<OptionDoc> docs_;
};

namespace options_detail {

/// JSON, or "inf" and its like where that has no word for the value.
std::string default_text(const Config& value);

template <class T>
std::string type_name() {
  if constexpr (std::is_same_v<T, Config>) {
    return "any";
  } else if constexpr (std::is_same_v<T, bool>) {
    return "bool";
  } else if constexpr (std::integral<T>) {
    return "int";
  } else if constexpr (std::floating_point<T>) {
    return "float";
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "text";
  } else if constexpr (requires { T::type_text(); }) {
    return T::type_text();
  } else if constexpr (SelfReading<T> && !Struct<T>) {
    return "any";
  } else if constexpr (NamedEnum<T>) {
    std::string text;
    for (const auto& [value, name] : enum_names(T{})) {
      text += (text.empty() ? "" : " | ") + std::string(name);
    }
    return text;
  } else if constexpr (kIsOptional<T>) {
    return type_name<typename T::value_type>() + " or null";
  } else if constexpr (kIsVector<T>) {
    return "list of " + type_name<typename T::value_type>();
  } else if constexpr (kIsFixed<T>) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
      std::string text;
      ((text += (I ? ", " : "[") + type_name<std::tuple_element_t<I, T>>()), ...);
      return text + ']';
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else {
    static_assert(Struct<T>, "an option of this type has no name");
    return "map";
  }
}

}  // namespace options_detail

template <class T>
std::string OneOrMore<T>::type_text() {
  const std::string one = options_detail::type_name<T>();
  return one + " or list of " + one;
}

/// The options of a struct with visit(), in their order, with their defaults.
template <class Options>
std::vector<OptionDoc> describe_options() {
  OptionDescriber describer;
  Options options{};
  options.visit(describer);
  return describer.take();
}

template <class T>
void OptionDescriber::operator()(const char* name, T& value, const char* help) {
  const std::string full = prefix_ + name;
  docs_.push_back({full, options_detail::type_name<T>(),
                   options_detail::default_text(options_detail::write_value(value)), help});
  nested<T>(full);
}

template <class T>
void OptionDescriber::nested(const std::string& name) {
  if constexpr (options_detail::kIsOptional<T>) {
    nested<typename T::value_type>(name);
  } else if constexpr (options_detail::kIsVector<T>) {
    nested<typename T::value_type>(name + ".N");
  } else if constexpr (options_detail::Struct<T>) {
    OptionDescriber inner(name + '.');
    T options{};
    options.visit(inner);
    for (OptionDoc& doc : inner.take()) docs_.push_back(std::move(doc));
  }
}

}  // namespace kestrel
