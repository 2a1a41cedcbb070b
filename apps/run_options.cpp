#include "run_options.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>

#include <kestrel/data/build_dataset.h>
#include <kestrel/engine/checkpoints/checkpoint.h>
#include <kestrel/engine/records/run_folder.h>
#include <kestrel/engine/tools/batch_size.h>
#include <kestrel/kernels/parallel.h>
#include <kestrel/registry/options.h>
#include <kestrel/registry/plugin.h>

#include "plugins.h"
#include "program.h"

namespace kestrel::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNewestRun = "newest";
constexpr const char* kAuto = "auto";

bool is_number(const std::string& text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c); });
}

RunArguments arguments_of(const RunOptions& o, const std::optional<StoredRun>& stored) {
  RunArguments arguments = stored ? stored->arguments : RunArguments{};
  if (o.seed) arguments.seed = *o.seed;
  if (o.device) arguments.device = *o.device;
  if (o.amp) arguments.amp = true;
  if (o.overfit_batch) arguments.overfit_batch = true;
  return arguments;
}

TrainOptions train_options(const RunOptions& o, const std::optional<StoredRun>& stored) {
  const RunArguments arguments = arguments_of(o, stored);
  TrainOptions options{.out = stored ? stored->folder : fs::path(o.out),
                       .seed = arguments.seed,
                       .device = parse_device(arguments.device),
                       .amp = arguments.amp,
                       .cuda_graph = o.cuda_graph,
                       .overfit_batch = arguments.overfit_batch,
                       .max_iters = o.max_iters,
                       .resume = stored.has_value(),
                       .accept_changes = o.accept_changes,
                       .log = console_log()};
  if (!o.weights.empty()) options.weights = o.weights;
  options.weights_key = o.key;
  options.notes = o.notes;
  return options;
}

/// Adds a hook to custom_hooks, in place of one of the same type.
void set_custom_hook(Config& config, const Config& hook) {
  Config hooks = Config::list();
  if (const Config* before = config.find("custom_hooks"); before && !before->is_null()) {
    for (const Config& other : before->items()) {
      if (!(other.at("type") == hook.at("type"))) hooks.push_back(other);
    }
  }
  hooks.push_back(hook);
  config.set("custom_hooks", hooks);
}

void freeze(Config& config, const std::vector<std::string>& parts) {
  Config modules = Config::list();
  for (const std::string& part : parts) {
    if (is_number(part)) {
      config.apply_override("model.backbone.frozen_stages=" + part);
    } else {
      modules.push_back(part);
    }
  }
  if (modules.size() == 0) return;
  Config hook = Config::map();
  hook.set("type", "FreezeHook");
  hook.set("modules", modules);
  set_custom_hook(config, hook);
}

void check_unchanged(const Config& config, const RunOptions& o, const StoredRun& stored,
                     const LogSink& log) {
  std::vector<ConfigChange> changes = config_changes(stored.config, config);
  for (const ConfigChange& change :
       config_changes(write_options(stored.arguments), write_options(arguments_of(o, stored)))) {
    changes.push_back({"--" + change.key, change.before, change.after});
  }
  if (changes.empty()) return;
  if (!o.accept_changes) {
    fail<UsageError>("--resume ", stored.folder.string(),
                     ": this is not what the run began with:", to_text(changes),
                     "\n--override goes on with the new values");
  }
  log.line("changed:" + to_text(changes));
}

}  // namespace

void add_run_options(CLI::App& app, RunOptions& o) {
  app.add_option("--out", o.out, "folder for weights, logs and pictures [runs/<name>N]");
  app.add_option("--weights", o.weights, "weights to start from (.safetensors or .pth)")
      ->check(CLI::ExistingFile);
  app.add_option("--key", o.key,
                 "with --weights of a .pth: which of several sets of weights in it, such as ema")
      ->needs("--weights");
  app.add_option("--resume", o.resume,
                 "go on with a run: its folder; without a value, the newest run of this name. "
                 "Takes the config of that run")
      ->expected(0, 1)
      ->default_str(kNewestRun)
      ->option_text("[RUN]");
  app.add_flag("--override", o.accept_changes, "with --resume: accept options that were changed");
  app.add_option("--device", o.device, "cpu, cuda or cuda:N [cpu]");
  app.add_option("--seed", o.seed, "equal seeds give equal weights [0]");
  app.add_option("--threads", o.threads, "CPU threads of the network; 0: all cores")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--batch", o.batch, "images per step; auto: the most that fit into memory")
      ->check(CLI::PositiveNumber | CLI::IsMember({kAuto}));
  app.add_option("--max-iters", o.max_iters, "stop after so many iterations; 0: run all epochs")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--amp", o.amp, "convolutions in bfloat16: for GPUs, and processors with AMX");
  app.add_flag("--ema", o.ema,
               "evaluate and save a moving average of the weights (ExpMomentumEMAHook)");
  app.add_option("--patience", o.patience,
                 "end the run after so many evaluations that were no improvement")
      ->check(CLI::PositiveNumber);
  app.add_option(
      "--freeze", o.freeze,
      "what is not trained: the first N stages of the backbone, or parts of the model by "
      "name (backbone, neck, ...)");
  app.add_flag("--cuda-graph", o.cuda_graph,
               "queue the kernels of a step as one CUDA graph for each shape of a batch");
  app.add_flag("--overfit-batch", o.overfit_batch,
               "train on the first batch alone: the losses must fall to nothing");
  app.add_flag("--dry-run", o.dry_run, "build everything, run one step, save nothing");
  app.add_flag("--strict", o.strict,
               "stop at the first image or annotation that is wrong, instead of leaving it out");
  add_plugin_option(app);
  app.add_option("--set", o.overrides, "change the config: a.b.c=value ...")->take_all();
}

Device parse_device(const std::string& name) {
  if (name == "cpu") return Device::cpu();
  int index = 0;
  const bool plain = name == "cuda";
  if (!plain && std::sscanf(name.c_str(), "cuda:%d", &index) != 1) {
    fail<UsageError>("--device must be cpu, cuda or cuda:N, got '", name, "'");
  }
  if (index < 0 || index >= Device::cuda_count()) {
    fail<UsageError>("--device ", name, ": this build of Kestrel sees ", Device::cuda_count(),
                     " CUDA devices; use --device cpu");
  }
  return Device::cuda(index);
}

void make_data_strict(Config& config) {
  Config data = config.at("data");
  for (const char* part : {"train", "val", "test"}) {
    if (!data.contains(part)) continue;
    Config node = data.at(part);
    make_strict(node);
    data.set(part, node);
  }
  config.set("data", data);
}

void use_threads(int64_t threads) {
  if (threads > 0) set_num_threads(static_cast<int>(threads));
}

namespace {

/// Relative paths of a run's config are those of where it began.
void go_where_it_began(StoredRun& run) {
  const fs::path began = run.arguments.directory;
  std::error_code error;
  if (began.empty() || fs::equivalent(began, fs::current_path(), error)) return;
  if (!fs::is_directory(began, error)) return;  // moved: as if it had begun here
  run.folder = fs::canonical(run.folder);
  fs::current_path(began);
  console_log().line("relative paths are those of " + began.string() + ", where the run began");
}

StoredRun open_run(const fs::path& folder) {
  StoredRun run = open_stored_run(folder);
  go_where_it_began(run);
  return run;
}

}  // namespace

std::optional<StoredRun> find_stored_run(const RunOptions& o, const std::string& name) {
  if (o.resume.empty()) {
    if (o.accept_changes) fail<UsageError>("--override is for --resume");
    return std::nullopt;
  }
  if (!o.out.empty() || !o.weights.empty()) {
    fail<UsageError>("--resume goes on in the run's own folder with its own weights: leave ",
                     o.out.empty() ? "--weights" : "--out", " away");
  }
  if (o.resume != kNewestRun) return open_run(o.resume);
  const fs::path folder = newest_run_folder(name);
  if (folder.empty()) {
    fail<UsageError>("there is nothing to resume: no runs/", name.empty() ? "*" : name,
                     "N here; name the run's folder");
  }
  return open_run(folder);
}

void apply_run_options(Config& config, const RunOptions& o) {
  const auto set = [&] {
    for (const std::string& assignment : o.overrides) config.apply_override(assignment);
  };
  if (o.ema) set_custom_hook(config, Config::parse("{type: ExpMomentumEMAHook}"));
  if (o.patience) {
    Config hook = Config::parse("{type: EarlyStoppingHook}");
    hook.set("patience", *o.patience);
    set_custom_hook(config, hook);
  }
  freeze(config, o.freeze);
  if (o.strict) make_data_strict(config);
  set();
  load_plugins(config);
  if (!o.batch) return;
  std::string batch = *o.batch;
  if (batch == kAuto) {
    use_threads(o.threads);
    batch = std::to_string(largest_batch(config, train_options(o, std::nullopt)));
  }
  config.apply_override("data.samples_per_gpu=" + batch);
  set();
}

void run_training(const Config& config, const RunOptions& o, const std::string& name,
                  const std::optional<StoredRun>& stored) {
  use_threads(o.threads);
  TrainOptions options = train_options(o, stored);
  options.name = name;
  if (o.dry_run) {
    options.log.line(dry_run(config, options));
    return;
  }
  if (stored) {
    check_unchanged(config, o, *stored, options.log);
  } else if (!options.out.empty() && fs::exists(resume_file(options.out))) {
    fail<UsageError>(options.out.string(), " holds a run already: --resume ", options.out.string(),
                     " goes on with it; to start anew, choose another --out or remove it");
  }
  options.stop = &stop_signal();
  const TrainSummary summary = train_detector(config, options);
  if (summary.stopped) {
    fail<Interrupted>("stopped in epoch ", summary.position.epoch + 1, " after iteration ",
                      summary.position.inner_iter, "; to go on: --resume ", summary.out.string());
  }
}

}  // namespace kestrel::apps
