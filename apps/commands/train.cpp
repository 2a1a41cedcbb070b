#include "train.h"

#include <filesystem>
#include <memory>
#include <string>

#include <kestrel/engine/run_folder.h>

#include "../run_options.h"

namespace kestrel::apps {

void add_train(CLI::App& app) {
  struct Options {
    std::string config;
    RunOptions run;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("train", "train what a config file describes");
  command->add_option("config", options->config, "configs/.../*.yaml")
      ->required()
      ->check(CLI::ExistingFile);
  add_run_options(*command, options->run);
  command->callback([options] {
    Config config = Config::load(options->config);
    for (const std::string& assignment : options->run.overrides) config.apply_override(assignment);
    if (options->run.out.empty()) {
      options->run.out = next_run_folder(std::filesystem::path(options->config).stem()).string();
    }
    run_training(config, options->run);
  });
}

}  // namespace kestrel::apps
