#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <typeindex>
#include <utility>
#include <vector>

#include <kestrel/registry/config.h>
#include <kestrel/registry/options.h>

namespace kestrel {

namespace registry_detail {

struct AnyRegistry {
  virtual ~AnyRegistry() = default;
};

/// The one registry of a type in the process: it lives in the library, so that executables and
/// plugins share it.
AnyRegistry& shared_registry(std::type_index type, std::unique_ptr<AnyRegistry> (*make)());

/// The name under `type` of a node that is to be built; throws if there is none.
const std::string& type_of(const Config& node, const std::vector<std::string>& names);
[[noreturn]] void fail_unknown(const Config& node, const std::vector<std::string>& names);
[[noreturn]] void fail_twice(const std::string& name);

}  // namespace registry_detail

/// The components of one kind by their names. Args are what a component needs besides its options.
template <class Base, class... Args>
class Registry final : public registry_detail::AnyRegistry {
 public:
  using Factory = std::function<std::unique_ptr<Base>(const Config& node, Args... args)>;

  static Registry& instance() {
    static Registry& registry = static_cast<Registry&>(registry_detail::shared_registry(
        typeid(Registry), []() -> std::unique_ptr<registry_detail::AnyRegistry> {
          return std::make_unique<Registry>();
        }));
    return registry;
  }

  /// A name that is added twice cannot be built any more. Not for concurrent use.
  void add(const std::string& name, Factory factory) {
    if (!factories_.emplace(name, std::move(factory)).second) factories_[name] = nullptr;
  }
  bool contains(const std::string& name) const { return factories_.contains(name); }
  /// In alphabetical order.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, factory] : factories_) names.push_back(name);
    return names;
  }

  /// Builds the component that the map's key `type` names, from its other keys. Throws UsageError
  /// with file and line for an unknown type, key or value.
  std::unique_ptr<Base> build(const Config& node, Args... args) const {
    const std::string& type = registry_detail::type_of(node, names());
    const auto found = factories_.find(type);
    if (found == factories_.end()) registry_detail::fail_unknown(node.at("type"), names());
    if (!found->second) registry_detail::fail_twice(type);
    return found->second(node, std::forward<Args>(args)...);
  }

 private:
  std::map<std::string, Factory> factories_;
};

/// Registers a component where it is defined, in its .cpp:
///
///   const Registration<Backbone, ResNet, ResNetOptions> kResNet{"ResNet"};
///
/// Class is constructed from (Options, args...).
template <class Base, class Class, class Options, class... Args>
struct Registration {
  explicit Registration(const std::string& name) {
    Registry<Base, Args...>::instance().add(name, [](const Config& node, Args... args) {
      return std::unique_ptr<Base>(std::make_unique<Class>(
          read_options<Options>(node, {}, {"type"}), std::forward<Args>(args)...));
    });
  }
};

/// build<Backbone>(config.at("backbone")): a component from the map that describes it.
template <class Base, class... Args>
std::unique_ptr<Base> build(const Config& node, Args... args) {
  return Registry<Base, Args...>::instance().build(node, std::forward<Args>(args)...);
}

}  // namespace kestrel
