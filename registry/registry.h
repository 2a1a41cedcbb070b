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
#include <kestrel/registry/option_docs.h>
#include <kestrel/registry/options.h>

namespace kestrel {

/// What a component says of itself.
struct ComponentDoc {
  std::string name;
  std::string summary;
  std::vector<OptionDoc> options;
};

namespace registry_detail {

struct AnyRegistry {
  virtual ~AnyRegistry() = default;
  /// What its components are: "backbone". Empty where the base class does not say.
  virtual std::string kind() const = 0;
  /// In alphabetical order.
  virtual std::vector<ComponentDoc> describe() const = 0;
};

/// The one registry of a type in the process: it lives in the library, so that executables and
/// plugins share it.
AnyRegistry& shared_registry(std::type_index type, std::unique_ptr<AnyRegistry> (*make)());
std::vector<const AnyRegistry*> all_registries();

/// The name under `type` of a node that is to be built; throws if there is none.
const std::string& type_of(const Config& node, const std::vector<std::string>& names);
[[noreturn]] void fail_unknown(const Config& node, const std::vector<std::string>& names);
[[noreturn]] void fail_twice(const std::string& name);

}  // namespace registry_detail

/// The components of one kind by their names. Args are what a component needs besides its options.
/// Base says in kKind what kind that is.
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

  /// A name that is added twice cannot be built any more. Not for concurrent use. `options` tells
  /// the component's options.
  void add(const std::string& name, Factory factory, std::string summary = {},
           std::vector<OptionDoc> (*options)() = nullptr) {
    const auto [place, fresh] =
        entries_.try_emplace(name, Entry{std::move(factory), std::move(summary), options});
    if (!fresh) place->second.factory = nullptr;
  }
  bool contains(const std::string& name) const { return entries_.contains(name); }
  /// In alphabetical order.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) names.push_back(name);
    return names;
  }

  std::string kind() const override {
    if constexpr (requires { Base::kKind; }) return Base::kKind;
    return {};
  }
  std::vector<ComponentDoc> describe() const override {
    std::vector<ComponentDoc> docs;
    for (const auto& [name, entry] : entries_) {
      docs.push_back(
          {name, entry.summary, entry.options ? entry.options() : std::vector<OptionDoc>()});
    }
    return docs;
  }

  /// Builds the component that the map's key `type` names, from its other keys. Throws UsageError
  /// with file and line for an unknown type, key or value.
  std::unique_ptr<Base> build(const Config& node, Args... args) const {
    const std::string& type = registry_detail::type_of(node, names());
    const auto found = entries_.find(type);
    if (found == entries_.end()) registry_detail::fail_unknown(node.at("type"), names());
    if (!found->second.factory) registry_detail::fail_twice(type);
    return found->second.factory(node, std::forward<Args>(args)...);
  }

 private:
  struct Entry {
    Factory factory;
    std::string summary;
    std::vector<OptionDoc> (*options)() = nullptr;
  };
  std::map<std::string, Entry> entries_;
};

/// Registers a component where it is defined, in its .cpp:
///
///   const Registration<Backbone, ResNet, ResNetOptions> kResNet{
///       "ResNet", "residual network of 18 to 152 layers"};
///
/// Class is constructed from (Options, args...). The second text is for `kestrel components`.
template <class Base, class Class, class Options, class... Args>
struct Registration {
  explicit Registration(const std::string& name, std::string summary = {}) {
    Registry<Base, Args...>::instance().add(
        name,
        [](const Config& node, Args... args) {
          return std::unique_ptr<Base>(std::make_unique<Class>(
              read_options<Options>(node, {}, {"type"}), std::forward<Args>(args)...));
        },
        std::move(summary), describe_options<Options>);
  }
};

/// build<Backbone>(config.at("backbone")): a component from the map that describes it.
template <class Base, class... Args>
std::unique_ptr<Base> build(const Config& node, Args... args) {
  return Registry<Base, Args...>::instance().build(node, std::forward<Args>(args)...);
}

}  // namespace kestrel
