#include "components.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <kestrel/registry/components.h>

#include "../plugins.h"

namespace kestrel::apps {
namespace {

struct ComponentsCommand {
  std::string kind;
  std::string name;
  bool markdown = false;
};

void print_components(const ComponentsCommand& o) {
  const std::vector<ComponentKind> kinds = registered_components();
  std::string text;
  if (o.markdown) {
    text = components_markdown(kinds);
  } else if (o.kind.empty()) {
    text = components_text(kinds);
  } else if (o.name.empty()) {
    text = components_text({find_kind(kinds, o.kind)});
  } else {
    text = component_text(find_component(find_kind(kinds, o.kind), o.name));
  }
  std::fputs(text.c_str(), stdout);
}

}  // namespace

void add_components(CLI::App& app) {
  auto o = std::make_shared<ComponentsCommand>();
  CLI::App* command =
      app.add_subcommand("components", "what a config can name, with its options and defaults");
  command->add_option("kind", o->kind, "backbone, hook, ... [all]");
  command->add_option("name", o->name, "ResNet, ...: every option of it");
  command->add_flag("--markdown", o->markdown, "all of it as a page: docs/components.md");
  add_plugin_option(*command);
  command->callback([o] { print_components(*o); });
}

}  // namespace kestrel::apps
