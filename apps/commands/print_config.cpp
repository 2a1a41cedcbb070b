#include "print_config.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <kestrel/registry/config.h>

#include "../run_options.h"

namespace kestrel::apps {

void add_print_config(CLI::App& app) {
  struct Options {
    std::string config;
    std::vector<std::string> overrides;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("print-config", "show a config with its bases and overrides resolved");
  command->add_option("config", options->config, kConfigHelp)->required()->check(CLI::ExistingFile);
  command->add_option("--set", options->overrides, "change the config: a.b.c=value ...")
      ->take_all();
  command->add_flag("--json", options->json, "as one line of JSON");
  command->callback([options] {
    Config config = Config::load(options->config);
    for (const std::string& assignment : options->overrides) config.apply_override(assignment);
    std::fputs((options->json ? config.to_json() + '\n' : config.to_yaml()).c_str(), stdout);
  });
}

}  // namespace kestrel::apps
