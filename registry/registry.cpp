#include <kestrel/registry/registry.h>

#include <mutex>

namespace kestrel::registry_detail {
namespace {

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

struct Registries {
  std::mutex mutex;
  std::map<std::type_index, std::unique_ptr<AnyRegistry>> by_type;
};

Registries& registries() {
  static Registries all;
  return all;
}

}  // namespace

AnyRegistry& shared_registry(std::type_index type, std::unique_ptr<AnyRegistry> (*make)()) {
  Registries& all = registries();
  const std::lock_guard lock(all.mutex);
  std::unique_ptr<AnyRegistry>& registry = all.by_type[type];
  if (!registry) registry = make();
  return *registry;
}

std::vector<const AnyRegistry*> all_registries() {
  Registries& all = registries();
  const std::lock_guard lock(all.mutex);
  std::vector<const AnyRegistry*> found;
  for (const auto& [type, registry] : all.by_type) found.push_back(registry.get());
  return found;
}

const std::string& type_of(const Config& node, const std::vector<std::string>& names) {
  if (!node.is_map()) node.fail("expected a map with a key 'type', got " + node.describe());
  const Config* type = node.find("type");
  if (!type) node.fail("needs a key 'type', one of: " + list_of(names));
  return type->as_string();
}

void fail_unknown(const Config& node, const std::vector<std::string>& names) {
  node.fail("nothing is registered as '" + node.as_string() + "'" +
            did_you_mean(node.as_string(), names) + " (there are: " + list_of(names) + ")");
}

void fail_twice(const std::string& name) {
  fail<Error>("[registry] two components are registered as '", name, "'");
}

}  // namespace kestrel::registry_detail
