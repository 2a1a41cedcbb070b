#include <kestrel/engine/train.h>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include <kestrel/data/file.h>
#include <kestrel/engine/build_run.h>
#include <kestrel/engine/checkpoints/can_save.h>
#include <kestrel/engine/checkpoints/checkpoint.h>
#include <kestrel/engine/checkpoints/resume.h>
#include <kestrel/engine/checkpoints/weights_hash.h>
#include <kestrel/engine/diagnosis/diagnosis.h>
#include <kestrel/engine/diagnosis/environment.h>
#include <kestrel/engine/evaluate.h>
#include <kestrel/engine/final_report.h>
#include <kestrel/engine/hooks/checkpoint_hook.h>
#include <kestrel/engine/hooks/eval_hook.h>
#include <kestrel/engine/hooks/lr_updater_hook.h>
#include <kestrel/engine/hooks/momentum_updater_hook.h>
#include <kestrel/engine/hooks/optimizer_hook.h>
#include <kestrel/engine/records/record_hooks.h>
#include <kestrel/engine/records/run_folder.h>
#include <kestrel/engine/records/run_log.h>
#include <kestrel/engine/schedules/lr_schedule.h>
#include <kestrel/engine/seconds_since.h>
#include <kestrel/engine/tools/batch_size.h>
#include <kestrel/inference/weights.h>
#include <kestrel/kernels/log.h>
#include <kestrel/tensor/allocator.h>

namespace kestrel {
namespace {

/// Ends a run after a number of iterations, or when somebody outside says so.
class StopHook final : public Hook {
 public:
  explicit StopHook(const TrainOptions& options) : options_(options) {}
  void after_iter(Runner& runner) override {
    const bool enough = options_.max_iters > 0 && runner.iter() + 1 >= options_.max_iters;
    if (enough || (options_.stop && options_.stop->load())) runner.stop();
  }

 private:
  const TrainOptions& options_;
};

RunArguments arguments_of(const TrainOptions& options) {
  std::ostringstream device;
  device << options.device;
  return {.seed = options.seed,
          .device = device.str(),
          .amp = options.amp,
          .overfit_batch = options.overfit_batch,
          .directory = std::filesystem::current_path().string()};
}

/// Evaluates the weights that are kept: the moving average, where there is one.
NamedValues evaluate(Run& run, const DatasetEvaluation& evaluator, const TrainOptions& options,
                     Evaluation& evaluation, Runner& runner) {
  std::optional<EmaHook::Swap> averages;
  if (run.ema) averages.emplace(*run.ema);
  run.model->eval();
  auto detections = detect_all(*run.model, *run.val.dataset, run.val.pipeline,
                               {.workers = run.config.data.workers_per_gpu,
                                .bfloat16 = options.amp,
                                .device = options.device,
                                .stop = options.stop});
  if (options.stop && options.stop->load()) {
    runner.leave_epoch_open();
    return {};
  }
  evaluation.report = evaluator.evaluate(detections);
  evaluation.detections = std::move(detections);
  return evaluation.report.numbers;
}

void continue_run(const TrainOptions& options, const Run& run, Checkpointer& checkpointer,
                  Runner& runner) {
  std::filesystem::path file;
  if (!run.config.resume_from.is_null()) file = run.config.resume_from.as_string();
  if (options.resume) file = resume_file(options.out);
  if (file.empty()) {
    // What an earlier run left in this folder is not of this one.
    std::filesystem::remove(resume_file(options.out));
    std::filesystem::remove(previous_resume_file(resume_file(options.out)));
    return;
  }
  checkpointer.resume(file, runner, options.accept_changes);
  const Position at = runner.resume_point();
  if (options.resume && at.epoch >= runner.max_epochs()) {
    fail<UsageError>("there is nothing to resume in ", options.out.string(), ": all ",
                     runner.max_epochs(),
                     " epochs are done; for more, set runner.max_epochs and --override");
  }
  say(options, fmt::format("continues {} in epoch {} after iteration {}", file.string(),
                           at.epoch + 1, at.inner_iter));
}

/// What the hooks took, "saving and logging" being those that keep records.
std::string cost_text(const Runner& runner, double writing_seconds) {
  double records = 0;
  std::string text;
  for (const HookCost& cost : runner.costs()) {
    if (!cost.trains) records += cost.seconds;
    text += fmt::format("{}{} {:.2f} s", text.empty() ? "" : ", ", cost.name, cost.seconds);
  }
  const double total = runner.run_seconds();
  return fmt::format(
      "saving and logging took {:.2f} s of {:.1f} s, {:.2f} %; writing files beside "
      "the training {:.2f} s ({})",
      records, total, 100 * records / std::max(total, 1e-9), writing_seconds, text);
}

/// An evaluation without a single object gives -1 for every number, and no best weights.
void warn_of_no_objects(const EvalTruths& truths) {
  const auto counts = [](const EvalTruth& truth) { return !truth.crowd; };
  if (std::ranges::any_of(truths.annotations, counts)) return;
  warn(fmt::format(
      "the validation set ({} pictures) has no object{}: its AP is -1, which says "
      "nothing; there will be no best.safetensors, and patience does not end the run",
      truths.images.size(), truths.annotations.empty() ? "" : " that counts, only crowds"));
}

/// What starting anew in a run's folder would replace while it is read.
void refuse_own_weights(const Config& config, const TrainOptions& options) {
  std::vector<std::filesystem::path> sources;
  if (options.weights) sources.push_back(*options.weights);
  if (const Config* file = config.find("load_from"); file && file->is_string()) {
    sources.emplace_back(file->as_string());
  }
  const auto folder = std::filesystem::canonical(options.out);
  for (const auto& source : sources) {
    const auto inside = std::filesystem::weakly_canonical(source).lexically_relative(folder);
    if (!inside.empty() && *inside.begin() != "..") {
      fail<UsageError>("--out ", options.out.string(), ": ", source.string(),
                       ", which the run starts from, lies there and would be overwritten; choose "
                       "another --out");
    }
  }
}

/// Resume files have the optimizer's state beside the weights, once there is one.
SaveBytes bytes_to_save(const Run& run) {
  SaveBytes bytes;
  for (const auto& [name, tensor] : run.model->state_dict()) {
    bytes.weights += static_cast<int64_t>(tensor.bytes());
  }
  int64_t trained = 0;
  for (const ParamGroup& group : run.optimizer->groups()) {
    for (const auto& [name, parameter] : group.params) {
      trained += static_cast<int64_t>(parameter.data().bytes());
    }
  }
  const bool adam = run.config.optimizer.at("type").as_string().starts_with("Adam");
  bytes.resume = bytes.weights * (run.ema ? 2 : 1) + trained * (adam ? 2 : 1);
  return bytes;
}

TrainSummary train(const Config& config, TrainOptions& options, RunLog& log) {
  const auto start = std::chrono::steady_clock::now();
  const RunFolder folder = options.out.empty() ? RunFolder::make_next(options.name)
                                               : RunFolder::open(options.out, options.resume);
  options.out = folder.path();
  if (!options.resume) refuse_own_weights(config, options);
  for (const std::string& note : options.notes) say(options, note);
  Run run = build_run(config, options);
  check_readable(*run.val.dataset);
  log.open(options.out / "train.log", options.resume);
  say(options, "writing to " + options.out.string());

  Runner runner(*run.task, run.config.runner.max_epochs);
  const auto metadata = model_metadata(config, run.train.dataset->class_names());
  const auto checkpointer =
      std::make_shared<Checkpointer>(*run.model, *run.optimizer, options.out, metadata);
  if (run.ema) checkpointer->use_weights([&] { return run.ema->weights(); });
  Evaluation evaluation;
  std::string not_evaluated;
  const DatasetEvaluation evaluator(run.config.evaluation, *run.val.dataset);
  warn_of_no_objects(evaluator.truths());
  const CheckpointOptions& checkpoints = run.config.checkpoint_config;

  runner.add_hook(
      std::make_shared<LrUpdaterHook>(*run.optimizer, build_lr_schedule(run.config.lr_config)),
      Priority::VeryHigh);
  if (!run.config.momentum_config.is_null()) {
    runner.add_hook(std::make_shared<MomentumUpdaterHook>(
                        *run.optimizer, build_momentum_schedule(run.config.momentum_config)),
                    Priority::High);
  }
  const auto updates = std::make_shared<OptimizerHook>(*run.optimizer, run.config.optimizer_config);
  runner.add_hook(updates, Priority::AboveNormal);
  runner.add_hook(std::make_shared<StopHook>(options));
  // A moving average follows the update and is saved; other hooks see what the evaluation found.
  for (const auto& hook : run.custom_hooks) {
    runner.add_hook(hook, hook.get() == run.ema ? Priority::Normal : Priority::VeryLow);
  }
  runner.add_hook(std::make_shared<CheckpointHook>(checkpointer, checkpoints));
  runner.add_hook(std::make_shared<EvalHook>(
                      [&](Runner& r) {
                        try {
                          return evaluate(run, evaluator, options, evaluation, r);
                        } catch (const DataError& error) {
                          // What was trained is saved; a run that goes on evaluates first.
                          not_evaluated = error.what();
                          r.leave_epoch_open();
                          return NamedValues{};
                        }
                      },
                      run.config.evaluation, checkpointer),
                  Priority::Low);
  add_record_hooks(run.config,
                   {.folder = options.out,
                    .log_interval = run.config.log_config.interval,
                    .log = options.log,
                    .task = run.task.get(),
                    .train = run.train.dataset.get(),
                    .val = run.val.dataset.get(),
                    .train_config = run.config.data.train,
                    .truths = &evaluator.truths(),
                    .evaluation = &evaluation},
                   runner);
  runner.add_hook(std::make_shared<ResumeHook>(checkpointer, checkpoints), Priority::Lowest);

  continue_run(options, run, *checkpointer, runner);
  check_can_save(options.out, bytes_to_save(run));
  write_run_settings(options.out, config, arguments_of(options));
  const std::string environment = examine_environment(options.out).text();
  write_file("train", options.out / "environment.txt", std::as_bytes(std::span(environment)));
  try {
    runner.run();
  } catch (const NonFiniteLossError& error) {
    fail<NonFiniteLossError>(
        error.what(),
        explain_not_finite(options.out, *run.model, run.task->batch(updates->failed_steps_ago()),
                           {runner, options.seed, options.amp, metadata}));
  }

  const int64_t bad = run.task->loader().stats().bad_images;
  if (bad > 0) say(options, fmt::format("{} images of the last epoch did not decode", bad));
  TrainSummary summary;
  summary.out = options.out;
  summary.metrics = runner.metrics;
  summary.last = checkpointer->weights_file("last.safetensors");
  checkpointer->save_weights("last.safetensors", runner);
  checkpointer->finish();
  if (!not_evaluated.empty()) {
    fail<DataError>(not_evaluated, "; what was trained is saved, and --resume ",
                    options.out.string(), " goes on with this evaluation");
  }
  say(options, cost_text(runner, checkpointer->writing_seconds()));
  summary.weights_hash = weights_hash(*run.model);
  summary.stopped = options.stop && options.stop->load();
  summary.position = runner.resume_point();
  summary.graph_replays = run.task->graph_replays();
  if (!summary.stopped && runner.finished_epochs() >= runner.max_epochs()) {
    report_run(run, evaluation, options);
  }
  if (!std::filesystem::exists(summary.last)) {
    fail<ModelFileError>(summary.last.string(),
                         " was written, and is gone: somebody removed or renamed ",
                         options.out.string(), " while the run wrote to it");
  }
  summary.seconds = seconds_since(start);
  if (summary.stopped) {
    log.add("INFO", "stopped; --resume " + options.out.string() + " goes on");
  } else {
    say(options, fmt::format("done in {}: {}, weights hash {}", duration_text(summary.seconds),
                             summary.last.string(), summary.weights_hash));
  }
  return summary;
}

}  // namespace

TrainSummary train_detector(const Config& config, const TrainOptions& given) {
  RunLog log(given.log);
  TrainOptions options = given;
  options.log = log.sink();
  try {
    return train(config, options, log);
  } catch (const OutOfMemoryError& error) {
    say(options, "out of memory; trying which batch would fit");
    const int64_t batch = read_run_config(config).data.samples_per_gpu;
    fail<OutOfMemoryError>(error.what(), "; a batch of ", largest_batch(config, options),
                           " images would fit, this one has ", batch,
                           " (data.samples_per_gpu, --batch)");
  } catch (const std::exception& error) {
    log.add("ERROR", error.what());
    throw;
  }
}

std::string dry_run(const Config& config, const TrainOptions& options) {
  Run run = build_run(config, options);
  run.task->begin_epoch(0, 0);
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
