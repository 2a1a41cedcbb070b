#include "evaluate.h"

#include <cstdio>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include <kestrel/detection/evaluation/coco_reader.h>

namespace kestrel::apps {
namespace {

struct EvaluateOptions {
  std::string annotations;
  std::string results;
  std::string metric = "bbox";
  bool json = false;
  bool classes = false;
};

/// Seventeen significant digits: reading them back gives the same double.
std::string exact(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string to_json(const CocoEvalResult& result) {
  std::string text = "{\"metric\": \"" + std::string(to_string(result.metric)) + "\", \"stats\": [";
  for (size_t i = 0; i < result.stats.size(); ++i) text += (i ? ", " : "") + exact(result.stats[i]);
  text += ']';
  for (size_t i = 0; i < result.stats.size(); ++i)
    text += ", \"" + std::string(coco_stat_names()[i]) + "\": " + exact(result.stats[i]);
  text += ", \"categories\": [";
  for (size_t k = 0; k < result.categories.size(); ++k)
    text += (k ? ", " : "") + ("{\"id\": " + std::to_string(result.categories[k].id)) +
            ", \"name\": " + quoted(result.categories[k].name) +
            ", \"AP\": " + exact(result.class_ap[k]) +
            ", \"AP50\": " + exact(result.class_ap50[k]) + '}';
  return text + "]}\n";
}

void run_evaluate(const EvaluateOptions& options) {
  const CocoEvalResult result = evaluate_coco_files(options.annotations, options.results,
                                                    coco_metric_from_string(options.metric));
  std::string text = options.json ? to_json(result) : coco_summary(result);
  if (options.classes && !options.json) text += '\n' + coco_class_table(result);
  std::fputs(text.c_str(), stdout);
}

}  // namespace

void add_evaluate(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("evaluate", "Score a COCO results file against its annotations");
  auto options = std::make_shared<EvaluateOptions>();
  command->add_option("--annotations", options->annotations, "Annotations, COCO JSON")->required();
  command->add_option("--results", options->results, "Results, COCO JSON")->required();
  command->add_option("--metric", options->metric, "What to compare: bbox or segm")
      ->check(CLI::IsMember({"bbox", "segm"}))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print an object with all digits");
  command->add_flag("--classes", options->classes, "Print AP and AP50 of every category too");
  command->callback([options] { run_evaluate(*options); });
}

}  // namespace kestrel::apps
