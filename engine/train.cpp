#include <kestrel/engine/train.h>

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>

#include <kestrel/data/build_dataset.h>
#include <kestrel/data/datasets/coco_truths.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/engine/checkpoint.h>
#include <kestrel/engine/detection_task.h>
#include <kestrel/engine/evaluate.h>
#include <kestrel/engine/hooks/checkpoint_hook.h>
#include <kestrel/engine/hooks/csv_logger_hook.h>
#include <kestrel/engine/hooks/eval_hook.h>
#include <kestrel/engine/hooks/lr_updater_hook.h>
#include <kestrel/engine/hooks/optimizer_hook.h>
#include <kestrel/engine/hooks/picture_hook.h>
#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/engine/schedules/lr_schedule.h>
#include <kestrel/engine/weights_hash.h>
#include <kestrel/inference/weights.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/allocator.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

struct DataConfig {
  int64_t samples_per_gpu = 2;
  int64_t workers_per_gpu = 2;
  Config train;
  Config val;
  Config test;

  template <class V>
  void visit(V& v) {
    v("samples_per_gpu", samples_per_gpu);
    v("workers_per_gpu", workers_per_gpu);
    v("train", train);
    v("val", val);
    v("test", test);
  }
};

struct RunnerConfig {
  std::string type = "EpochBasedRunner";
  int64_t max_epochs = 12;

  template <class V>
  void visit(V& v) {
    v("type", type);
    v("max_epochs", max_epochs);
  }
};

struct LogConfig {
  int64_t interval = 50;
  Config hooks;

  template <class V>
  void visit(V& v) {
    v("interval", interval);
    v("hooks", hooks);
  }
};

/// The top level of a config file.
struct RunConfig {
  Config model;
  DataConfig data;
  Config optimizer;
  OptimizerHookOptions optimizer_config;
  Config lr_config;
  RunnerConfig runner;
  EvalOptions evaluation;
  CheckpointOptions checkpoint_config;
  LogConfig log_config;
  Config custom_hooks;
  Config load_from;
  Config resume_from;

  template <class V>
  void visit(V& v) {
    v("model", model);
    v("data", data);
    v("optimizer", optimizer);
    v("optimizer_config", optimizer_config);
    v("lr_config", lr_config);
    v("runner", runner);
    v("evaluation", evaluation);
    v("checkpoint_config", checkpoint_config);
    v("log_config", log_config);
    v("custom_hooks", custom_hooks);
    v("load_from", load_from);
    v("resume_from", resume_from);
  }
};

/// Everything that a run is made of.
struct Run {
  RunConfig config;
  ConfiguredDataset train;
  ConfiguredDataset val;
  std::unique_ptr<BaseDetector> model;
  std::unique_ptr<DetectionTask> task;
  std::unique_ptr<Optimizer> optimizer;
};

void say(const TrainOptions& options, const std::string& text) {
  if (options.log.line) options.log.line(text);
}

/// What a config may ask for and a run could not give is refused: silence would pass for consent.
void refuse_unsupported(const RunConfig& config) {
  const auto is_text_logger = [](const Config& hook) {
    return hook.is_map() && hook.contains("type") &&
           hook.at("type").as_string() == "TextLoggerHook";
  };
  if (config.runner.type != "EpochBasedRunner") {
    fail<UsageError>("[train] runner.type must be EpochBasedRunner, got ", config.runner.type);
  }
  if (config.custom_hooks.size() > 0) {
    config.custom_hooks.fail("there are no custom hooks to choose from yet; leave it empty");
  }
  if (config.log_config.hooks.is_null()) return;
  for (const Config& hook : config.log_config.hooks.items()) {
    if (!is_text_logger(hook)) hook.fail("only {type: TextLoggerHook} is there");
  }
}

void check_classes(const Config& model, const Dataset& dataset) {
  const Config* head = model.find("bbox_head");
  const Config* classes = head ? head->find("num_classes") : nullptr;
  if (classes && classes->as_int() != dataset.num_classes()) {
    classes->fail(fmt::format("is {}, but the data set has {} classes; set num_classes: {}",
                              classes->as_int(), dataset.num_classes(), dataset.num_classes()));
  }
}

/// Loads what backbone.init_cfg points to.
void load_pretrained(const Config& model_config, BaseDetector& model, const TrainOptions& options) {
  const Config* backbone = model_config.find("backbone");
  const Config* init = backbone ? backbone->find("init_cfg") : nullptr;
  if (!init || init->is_null()) return;
  const Config& checkpoint = init->at("checkpoint");
  const auto file = find_pretrained(checkpoint.as_string());
  if (file.empty()) {
    checkpoint.fail(fmt::format(
        "'{}' was not found in $KESTREL_WEIGHTS or ./weights; put it there as safetensors, or "
        "train "
        "from scratch with --set model.backbone.init_cfg=None model.backbone.frozen_stages=-1 "
        "model.backbone.norm_eval=false",
        checkpoint.as_string()));
  }
  StateDict backbone_state;
  for (auto& [name, tensor] : read_model_file(file).weights) {
    if (!name.starts_with("fc.")) backbone_state.emplace_back(name, tensor);
  }
  for (auto& [name, module] : model.named_modules()) {
    if (name == "backbone") module->load_state_dict(backbone_state);
  }
  say(options, fmt::format("backbone starts from {}", file.string()));
}

Run build_run(const Config& config, const TrainOptions& options) {
  Run run;
  run.config = read_options<RunConfig>(config);
  refuse_unsupported(run.config);
  const DataConfig& data = run.config.data;
  run.train = build_dataset(data.train, false);
  run.val = build_dataset(data.val, true);
  check_classes(run.config.model, *run.train.dataset);
  say(options, fmt::format("data: {} training images, {} validation images, {} classes",
                           run.train.dataset->size(), run.val.dataset->size(),
                           run.train.dataset->num_classes()));

  run.model = build<BaseDetector>(run.config.model);
  Philox random(options.seed);
  run.model->init_weights(random);
  std::optional<std::filesystem::path> weights = options.weights;
  if (!weights && !run.config.load_from.is_null()) weights = run.config.load_from.as_string();
  if (weights) {
    run.model->load_state_dict(read_model_file(*weights).weights);
    say(options, fmt::format("weights start from {}", weights->string()));
  } else {
    load_pretrained(run.config.model, *run.model, options);
  }
  run.model->to(options.device);
  say(options, fmt::format("model: {:.2f} M parameters, {:.2f} M of them trained",
                           static_cast<double>(run.model->parameter_count()) * 1e-6,
                           static_cast<double>(run.model->parameter_count(true)) * 1e-6));
  run.task = std::make_unique<DetectionTask>(
      *run.model, run.train,
      DetectionTaskOptions{.loader = {.batch_size = data.samples_per_gpu,
                                      .workers = data.workers_per_gpu,
                                      .seed = options.seed},
                           .device = options.device,
                           .amp = options.amp,
                           .overfit_batch = options.overfit_batch});
  run.optimizer = build_optimizer(*run.model, run.config.optimizer);
  return run;
}

void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream out(file);
  out << text;
  if (!out.flush()) fail("[train] ", file.string(), " cannot be written");
}

NamedValues metrics_of(const CocoEvalResult& result) {
  return {{"ap", result.stats[0]},   {"ap50", result.stats[1]}, {"ap75", result.stats[2]},
          {"ap_s", result.stats[3]}, {"ap_m", result.stats[4]}, {"ap_l", result.stats[5]},
          {"ar100", result.stats[8]}};
}

/// Ends a run after a number of iterations.
class StopHook final : public Hook {
 public:
  explicit StopHook(int64_t max_iters) : max_iters_(max_iters) {}
  void after_iter(Runner& runner) override {
    if (runner.iter() + 1 >= max_iters_) runner.stop();
  }

 private:
  int64_t max_iters_;
};

}  // namespace

std::filesystem::path find_pretrained(const std::string& checkpoint) {
  constexpr std::string_view kScheme = "torchvision://";
  if (!checkpoint.starts_with(kScheme)) {
    return std::filesystem::exists(checkpoint) ? std::filesystem::path(checkpoint)
                                               : std::filesystem::path();
  }
  const std::string name = checkpoint.substr(kScheme.size()) + ".safetensors";
  std::vector<std::filesystem::path> folders = {"weights"};
  if (const char* folder = std::getenv("KESTREL_WEIGHTS")) folders.insert(folders.begin(), folder);
  for (const auto& folder : folders) {
    if (std::filesystem::exists(folder / name)) return folder / name;
  }
  return {};
}

TrainSummary train_detector(const Config& config, const TrainOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  Run run = build_run(config, options);
  std::filesystem::create_directories(options.out);
  write_text(options.out / "config.yaml", config.to_yaml());

  Runner runner(*run.task, run.config.runner.max_epochs);
  const auto checkpointer = std::make_shared<const Checkpointer>(
      *run.model, *run.optimizer, options.out,
      model_metadata(config, run.train.dataset->class_names()));
  std::vector<CocoEvalDetection> detections;
  const CocoEvalTruths truths = coco_truths(*run.val.dataset);
  const auto evaluator = [&](Runner&) {
    run.model->eval();
    detections = detect_all(*run.model, *run.val.dataset, run.val.pipeline,
                            {.workers = run.config.data.workers_per_gpu,
                             .bfloat16 = options.amp,
                             .device = options.device});
    return metrics_of(evaluate_coco(truths, detections, CocoMetric::kBbox));
  };
  runner.add_hook(
      std::make_shared<LrUpdaterHook>(*run.optimizer, build_lr_schedule(run.config.lr_config)),
      Priority::VeryHigh);
  runner.add_hook(std::make_shared<OptimizerHook>(*run.optimizer, run.config.optimizer_config),
                  Priority::AboveNormal);
  runner.add_hook(std::make_shared<CheckpointHook>(checkpointer, run.config.checkpoint_config));
  runner.add_hook(std::make_shared<EvalHook>(evaluator, run.config.evaluation, checkpointer),
                  Priority::Low);
  runner.add_hook(std::make_shared<CsvLoggerHook>(options.out / "results.csv"), Priority::VeryLow);
  runner.add_hook(std::make_shared<TextLoggerHook>(
                      options.log, TextLoggerOptions{.interval = run.config.log_config.interval}),
                  Priority::VeryLow);
  runner.add_hook(std::make_shared<PictureHook>(*run.val.dataset, detections, options.out),
                  Priority::VeryLow);
  runner.add_hook(std::make_shared<ResumeHook>(checkpointer, run.config.checkpoint_config.interval),
                  Priority::Lowest);
  if (!run.config.resume_from.is_null()) {
    checkpointer->resume(run.config.resume_from.as_string(), runner);
    say(options, fmt::format("continues {} after epoch {}", run.config.resume_from.as_string(),
                             runner.epoch()));
  }
  if (options.max_iters > 0) {
    runner.add_hook(std::make_shared<StopHook>(options.max_iters), Priority::Lowest);
  }
  runner.run();

  const int64_t bad = run.task->loader().stats().bad_images;
  if (bad > 0) say(options, fmt::format("{} images of the last epoch did not decode", bad));
  TrainSummary summary;
  summary.metrics = runner.metrics;
  summary.last = checkpointer->save_weights("last.safetensors", runner);
  summary.weights_hash = weights_hash(*run.model);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

std::string dry_run(const Config& config, const TrainOptions& options) {
  Run run = build_run(config, options);
  run.task->begin_epoch(0);
  run.task->load_batch();
  const StepResult step = run.task->forward();
  step.loss.backward();
  std::string text =
      fmt::format("one step of {} images {}x{}:", step.num_samples,
                  run.task->batch().images.size(2), run.task->batch().images.size(1));
  for (const auto& [name, loss] : step.losses) {
    text += fmt::format(" {} {:.4f}", name, loss.data().item<double>());
  }
  return text + fmt::format("; {} MB of tensors at most; {} iterations per epoch",
                            host_memory_stats().peak >> 20, run.task->epoch_length());
}

}  // namespace kestrel
