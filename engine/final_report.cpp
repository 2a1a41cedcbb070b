#include <kestrel/engine/final_report.h>

#include <fmt/format.h>

#include <filesystem>

#include <kestrel/engine/checkpoints/pretrained.h>
#include <kestrel/engine/evaluate.h>
#include <kestrel/kernels/log.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

/// Whether they are other pictures.
bool is_another_set(Config test, Config val) {
  for (Config* node : {&test, &val}) node->erase("pipeline");
  return !test.is_null() && test.is_map() && test.contains("type") && !(test == val);
}

fs::path best_weights(const TrainOptions& options) {
  const fs::path folder = options.out / "weights";
  const fs::path best = folder / "best.safetensors";
  return fs::exists(best) ? best : folder / "last.safetensors";
}

void say_lines(const TrainOptions& options, const std::string& text) {
  if (!text.empty()) say(options, text.ends_with('\n') ? text.substr(0, text.size() - 1) : text);
}

void report_test(Run& run, const TrainOptions& options) {
  Config node = run.config.data.test;
  keep_what_is_evaluated(run.config.evaluation, node);
  const ConfiguredDataset test = build_dataset(node, true, run.train.dataset->class_names());
  const fs::path weights = best_weights(options);
  load_starting_weights(weights, *run.model);
  run.model->eval();
  const DatasetEvaluation evaluation(run.config.evaluation, *test.dataset);
  const auto found = detect_all(*run.model, *test.dataset, test.pipeline,
                                {.workers = run.config.data.workers_per_gpu,
                                 .bfloat16 = options.amp,
                                 .device = options.device,
                                 .stop = options.stop});
  if (options.stop && options.stop->load()) return;
  say(options,
      fmt::format("test set, {} pictures, with {}:", test.dataset->size(), weights.string()));
  say_lines(options, evaluation.evaluate(found).text);
}

}  // namespace

void report_run(Run& run, const Evaluation& evaluation, const TrainOptions& options) {
  say_lines(options, evaluation.report.text);
  if (fs::exists(options.out / "worst_pictures.jpg")) {
    say(options, fmt::format("the pictures with most errors: {}",
                             (options.out / "worst_pictures.jpg").string()));
  }
  if (!is_another_set(run.config.data.test, run.config.data.val)) return;
  try {
    report_test(run, options);
  } catch (const DataError& error) {
    warn(fmt::format("the test set is left out: {}", error.what()));
  }
}

}  // namespace kestrel
