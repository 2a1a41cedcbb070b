#include <kestrel/engine/train.h>

#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <utility>

#include <kestrel/data/datasets/coco_truths.h>
#include <kestrel/engine/build_run.h>
#include <kestrel/engine/checkpoint.h>
#include <kestrel/engine/evaluate.h>
#include <kestrel/engine/hooks/checkpoint_hook.h>
#include <kestrel/engine/hooks/csv_logger_hook.h>
#include <kestrel/engine/hooks/eval_hook.h>
#include <kestrel/engine/hooks/lr_updater_hook.h>
#include <kestrel/engine/hooks/optimizer_hook.h>
#include <kestrel/engine/hooks/picture_hook.h>
#include <kestrel/engine/schedules/lr_schedule.h>
#include <kestrel/engine/weights_hash.h>
#include <kestrel/inference/weights.h>
#include <kestrel/tensor/allocator.h>

namespace kestrel {
namespace {

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
