#include "train.h"

#include <filesystem>
#include <memory>
#include <string>

#include <kestrel/engine/diagnosis/diagnosis.h>
#include <kestrel/engine/run_config.h>

#include "../program.h"
#include "../run_options.h"

namespace kestrel::apps {
namespace {

struct TrainCommand {
  std::string config;
  std::string replay;
  RunOptions run;
};

void run_train(TrainCommand o) {
  if (!o.replay.empty()) {
    use_threads(o.run.threads);
    return replay_step(o.replay, parse_device(o.run.device.value_or("cpu")), console_log());
  }
  const std::string name = std::filesystem::path(o.config).stem();
  if (!o.config.empty()) o.config = std::filesystem::absolute(o.config);
  const auto stored = find_stored_run(o.run, name);
  if (o.config.empty() && !stored) {
    fail<UsageError>(
        "a config file is needed: kestrel train configs/.../*.yaml or *.py (or --resume RUN)");
  }
  Config config = o.config.empty() ? stored->config : Config::load(o.config);
  apply_run_options(config, o.run);
  config = without_variables(config);
  run_training(config, o.run, name, stored);
}

}  // namespace

void add_train(CLI::App& app) {
  auto options = std::make_shared<TrainCommand>();
  CLI::App* command = app.add_subcommand("train", "train what a config file describes");
  command->add_option("config", options->config, kConfigHelp)->check(CLI::ExistingFile);
  command
      ->add_option("--replay", options->replay,
                   "do one step again: the not_finite_*.safetensors that a run left whose loss was "
                   "not finite")
      ->check(CLI::ExistingFile);
  add_run_options(*command, options->run);
  command->callback([options] { run_train(*options); });
}

}  // namespace kestrel::apps
