#include <kestrel/registry/components.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

namespace kestrel {
namespace {

constexpr const char* kUndocumented = "**undocumented**";

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

size_t longest(const std::vector<std::string>& texts) {
  size_t length = 0;
  for (const std::string& text : texts) length = std::max(length, text.size());
  return length;
}

// "detector", "hook": the plural of a heading.
std::string plural(const std::string& kind) {
  const bool sibilant = kind.ends_with("s");
  std::string text = kind + (sibilant ? "es" : "s");
  text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  return text;
}

std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

template <class Items>
const auto& find_named(const Items& items, std::string_view name, const std::string& what) {
  std::vector<std::string> names;
  for (const auto& item : items) {
    if (item.name == name) return item;
    names.push_back(item.name);
  }
  std::string list;
  for (const std::string& other : names) list += (list.empty() ? "" : ", ") + other;
  fail<UsageError>("there is no ", what, " '", name, "'", did_you_mean(name, names),
                   " (there are: ", list.empty() ? "none" : list, ")");
}

}  // namespace

std::vector<ComponentKind> registered_components() {
  std::map<std::string, std::map<std::string, ComponentDoc>> kinds;
  for (const auto* registry : registry_detail::all_registries()) {
    std::string kind = registry->kind();
    if (kind.empty()) kind = "other";
    for (ComponentDoc& doc : registry->describe()) kinds[kind].insert_or_assign(doc.name, doc);
  }
  std::vector<ComponentKind> result;
  for (auto& [kind, components] : kinds) {
    if (components.empty()) continue;
    result.push_back({.name = kind, .components = {}});
    for (auto& [name, doc] : components) result.back().components.push_back(std::move(doc));
  }
  return result;
}

const ComponentKind& find_kind(const std::vector<ComponentKind>& kinds, std::string_view name) {
  return find_named(kinds, name, "kind of components");
}

const ComponentDoc& find_component(const ComponentKind& kind, std::string_view name) {
  return find_named(kind.components, name, kind.name);
}

std::string components_text(const std::vector<ComponentKind>& kinds) {
  std::vector<std::string> names;
  for (const ComponentKind& kind : kinds) {
    for (const ComponentDoc& component : kind.components) names.push_back(component.name);
  }
  const size_t width = longest(names) + 2;
  std::string text;
  for (const ComponentKind& kind : kinds) {
    text += (text.empty() ? "" : "\n") + kind.name + '\n';
    for (const ComponentDoc& component : kind.components) {
      text += "  " + padded(component.name, width) + component.summary + '\n';
    }
  }
  return text;
}

std::string component_text(const ComponentDoc& component) {
  std::vector<std::string> names, types, values;
  for (const OptionDoc& option : component.options) {
    names.push_back(option.name);
    types.push_back(option.type);
    values.push_back(option.value);
  }
  const size_t name_width = longest(names) + 2, type_width = longest(types) + 2;
  const size_t value_width = std::min<size_t>(longest(values), 32) + 2;
  std::string text = component.name + ": " + component.summary + '\n';
  if (component.options.empty()) return text + "It has no options.\n";
  text += '\n' + padded("option", name_width) + padded("type", type_width) +
          padded("default", value_width) + "what\n";
  for (const OptionDoc& option : component.options) {
    text += padded(option.name, name_width) + padded(option.type, type_width) +
            padded(option.value, value_width) + (option.value.size() >= value_width ? "  " : "") +
            option.help + '\n';
  }
  return text;
}

std::string components_markdown(const std::vector<ComponentKind>& kinds) {
  std::string text =
      "# Components\n\n"
      "What a config can name under `type` (of a schedule, under `policy`), with every option. "
      "This page is written by\n`kestrel components --markdown`; `kestrel components backbone "
      "ResNet` prints one of them.\n";
  for (const ComponentKind& kind : kinds) {
    text += "\n## " + plural(kind.name) + '\n';
    for (const ComponentDoc& component : kind.components) {
      text += "\n### " + component.name + "\n\n" +
              (component.summary.empty() ? kUndocumented : component.summary) + '\n';
      if (component.options.empty()) continue;
      text += "\n| option | type | default | |\n|---|---|---|---|\n";
      for (const OptionDoc& option : component.options) {
        text += "| `" + option.name + "` | " + cell(option.type) + " | `" + cell(option.value) +
                "` | " + (option.help.empty() ? kUndocumented : cell(option.help)) + " |\n";
      }
    }
  }
  return text;
}

}  // namespace kestrel
