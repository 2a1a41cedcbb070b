#include "test.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <span>

#include <kestrel/data/datasets/coco_truths.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/data/file.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/detection/evaluation/coco_evaluator.h>
#include <kestrel/detection/evaluation/coco_results.h>
#include <kestrel/engine/evaluate.h>
#include <kestrel/engine/records/output_file.h>
#include <kestrel/inference/detector.h>

#include "../data_options.h"
#include "../plugins.h"
#include "../program.h"
#include "../run_options.h"

namespace kestrel::apps {
namespace {

/// How the model was evaluated in training, but for the metrics, where they are given.
EvalOptions metrics_of(const Config& config, const std::vector<std::string>& metrics) {
  EvalOptions options;
  if (const Config* node = config.find("evaluation")) options = read_options<EvalOptions>(*node);
  if (!metrics.empty()) {
    options.metric.values = metrics;
    options.evaluator = {};
  }
  return options;
}

}  // namespace

void add_test(CLI::App& app) {
  struct Options {
    std::string weights;
    std::string data = "shapes";
    RecogniseOptions recognise;
    std::string split = "test";
    std::vector<std::string> metric;
    std::string results;
    std::string device = "cpu";
    int64_t threads = 0;
    int64_t workers = 2;
    bool amp = false;
    bool strict = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("test", "The numbers of a model on a data set");
  command->add_option("--weights", o->weights, "a file that Kestrel wrote")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--data", o->data, "shapes, a name such as coco, or a directory")
      ->capture_default_str();
  add_data_options(*command, o->recognise);
  command->add_option("--split", o->split, "train, val or test")
      ->check(CLI::IsMember({"train", "val", "test"}))
      ->capture_default_str();
  command
      ->add_option("--metric", o->metric,
                   "bbox, segm, proposal, proposal_fast, mAP or recall; default: as in training")
      ->delimiter(',');
  command->add_option("--results", o->results, "also write the detections as COCO JSON");
  command->add_option("--device", o->device, "cpu, cuda or cuda:N")->capture_default_str();
  command->add_option("--threads", o->threads, "CPU threads of the network; 0: all cores");
  command->add_option("--workers", o->workers, "threads that read images")->capture_default_str();
  command->add_flag("--amp", o->amp, "compute in bfloat16");
  command->add_flag("--strict", o->strict, "stop at the first image or annotation that is wrong");
  add_plugin_option(*command);
  command->callback([o] {
    use_threads(o->threads);
    if (!o->results.empty()) check_output("test", o->results, OutputKind::Results);
    const Device device = parse_device(o->device);
    Detector detector = Detector::load(o->weights, {.device = device, .bfloat16 = o->amp});
    OpenDatasetOptions open{.name_or_path = o->data, .classes = detector.classes()};
    open.split = o->split == "train" ? Split::Train : o->split == "val" ? Split::Val : Split::Test;
    const EvalOptions metrics = metrics_of(detector.config(), o->metric);
    open.test_mode = true;
    open.with_mask = evaluates_masks(metrics);
    open.strict = o->strict;
    open.recognise = o->recognise;
    const auto dataset = open_dataset(open);
    const DatasetEvaluation evaluation(metrics, *dataset);
    const Pipeline pipeline(detector.config().at("data").at("test").at("pipeline"));
    const LogSink log = console_log();
    const auto found = detect_all(
        detector.model(), *dataset, pipeline,
        {.workers = o->workers,
         .bfloat16 = o->amp,
         .device = device,
         .progress = [&](int64_t done, int64_t total) {
           if (log.progress) {
             log.progress(done == total ? ""
                                        : std::to_string(done) + " of " + std::to_string(total));
           }
         }});
    std::fputs(evaluation.evaluate(found).text.c_str(), stdout);
    if (o->results.empty()) return;
    const bool masks =
        std::ranges::any_of(found, [](const ImageDetections& d) { return !d.found.masks.empty(); });
    const std::string text =
        coco_results_json(coco_detections(evaluation.truths(), found),
                          masks ? CocoMetric::kSegm : CocoMetric::kBbox, coco_ids(*dataset));
    write_file("test", o->results, std::as_bytes(std::span(text)));
  });
}

}  // namespace kestrel::apps
