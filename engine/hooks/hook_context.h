#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/detection/evaluation/evaluator.h>
#include <kestrel/engine/detection_task.h>
#include <kestrel/engine/hooks/drawing_budget.h>
#include <kestrel/engine/hooks/hook.h>
#include <kestrel/engine/hooks/text_logger_hook.h>
#include <kestrel/registry/registry.h>

namespace kestrel {

/// What the last evaluation of a run found.
struct Evaluation {
  std::vector<ImageDetections> detections;
  EvalReport report;
};

/// What a run offers to the hooks that a config names. In a run every pointer is set, and what it
/// points to outlives the hooks.
struct HookContext {
  std::filesystem::path folder;         ///< The run's.
  int64_t log_interval = 50;            ///< log_config.interval.
  LogSink log{};                        ///< Where text goes.
  const DetectionTask* task = nullptr;  ///< Its batch is the one that is trained on.
  const Dataset* train = nullptr;
  const Dataset* val = nullptr;
  Config train_config{};                   ///< data.train, for its transforms.
  const EvalTruths* truths = nullptr;      ///< Of val.
  const Evaluation* evaluation = nullptr;  ///< Renewed by every evaluation of val.
  std::shared_ptr<DrawingBudget> budget = std::make_shared<DrawingBudget>();
};

/// Hooks register themselves where they are defined, constructed from (Options, const
/// HookContext&):
///
///   const HookRegistration<CurvePlotHook, CurvePlotOptions> kCurves{"CurvePlotHook"};
template <class Class, class Options>
using HookRegistration = Registration<Hook, Class, Options, const HookContext&>;

/// For a hook that is constructed otherwise:
///
///   const bool kText = register_hook<TextLoggerOptions>(
///       "TextLoggerHook", "one line every so many iterations",
///       [](const Config& node, const HookContext& context) { ... });
template <class Options, class F>
bool register_hook(const std::string& name, const std::string& summary, F make) {
  Registry<Hook, const HookContext&>::instance().add(
      name,
      [make](const Config& node, const HookContext& context) -> std::unique_ptr<Hook> {
        return make(node, context);
      },
      summary, describe_options<Options>);
  return true;
}

/// Options of a hook that has none.
struct NoOptions {
  template <class V>
  void visit(V&) {}
};

}  // namespace kestrel
