#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <kestrel/registry/registry.h>

namespace kestrel {

/// All components of one kind, in alphabetical order.
struct ComponentKind {
  std::string name;  ///< "backbone"
  std::vector<ComponentDoc> components;
};

/// What is registered in this process, plug-ins included, in alphabetical order of the kinds.
std::vector<ComponentKind> registered_components();

/// The kind, or the component of it, of that name; UsageError with the nearest name if there is
/// none.
const ComponentKind& find_kind(const std::vector<ComponentKind>& kinds, std::string_view name);
const ComponentDoc& find_component(const ComponentKind& kind, std::string_view name);

/// As text for a terminal: names and summaries of all kinds; of one kind; all of a component.
std::string components_text(const std::vector<ComponentKind>& kinds);
std::string component_text(const ComponentDoc& component);
/// All of it as a page in Markdown. What has no line of help is marked "undocumented".
std::string components_markdown(const std::vector<ComponentKind>& kinds);

}  // namespace kestrel
