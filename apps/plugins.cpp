#include "plugins.h"

#include <string>

#include <kestrel/registry/plugin.h>

namespace kestrel::apps {

void add_plugin_option(CLI::App& command) {
  command
      .add_option("--plugin",
                  "shared libraries that register components; a config names its own under "
                  "custom_imports")
      ->take_all()
      ->option_text("FILE ...")
      ->each([](const std::string& file) { load_plugin(file); });
}

}  // namespace kestrel::apps
