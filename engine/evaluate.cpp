#include <kestrel/engine/evaluate.h>

#include <algorithm>
#include <array>
#include <string_view>

#include <kestrel/data/build_dataset.h>
#include <kestrel/data/datasets/coco_truths.h>
#include <kestrel/data/loader.h>
#include <kestrel/registry/nearest_name.h>

namespace kestrel {
namespace {

struct KnownMetric {
  std::string_view metric, evaluator;
};
constexpr std::array<KnownMetric, 6> kKnownMetrics{{{"bbox", "CocoEvaluator"},
                                                    {"segm", "CocoEvaluator"},
                                                    {"proposal", "CocoEvaluator"},
                                                    {"proposal_fast", "CocoEvaluator"},
                                                    {"mAP", "VocEvaluator"},
                                                    {"recall", "RecallEvaluator"}}};

std::string_view evaluator_of(const std::string& metric) {
  std::vector<std::string> names;
  for (const KnownMetric& known : kKnownMetrics) {
    if (known.metric == metric) return known.evaluator;
    names.emplace_back(known.metric);
  }
  fail<UsageError>("[evaluation] there is no metric '", metric, "'", did_you_mean(metric, names),
                   "; evaluation.evaluator can name an evaluator by its type");
}

/// What `evaluation` says for its evaluator.
void add_evaluator_options(const EvalOptions& options, Config& node) {
  const std::pair<const char*, const Config*> given[] = {{"iou_thrs", &options.iou_thrs},
                                                         {"proposal_nums", &options.proposal_nums},
                                                         {"metric_items", &options.metric_items},
                                                         {"iou_thr", &options.iou_thr},
                                                         {"scale_ranges", &options.scale_ranges}};
  for (const auto& [name, value] : given) {
    if (!value->is_null()) node.set(name, *value);
  }
}

bool needs_masks(const Config& evaluator) {
  const Config* metric = evaluator.find("metric");
  if (metric == nullptr) return false;
  if (!metric->is_list()) return metric->as_string() == "segm";
  return std::ranges::any_of(metric->items(),
                             [](const Config& item) { return item.as_string() == "segm"; });
}

}  // namespace

void check_readable(const Dataset& dataset) {
  std::string first;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    try {
      static_cast<void>(dataset.load(i));
      return;
    } catch (const DataError& error) {
      if (i == 0) first = error.what();
    }
  }
  if (dataset.size() == 0) {
    fail<DataError>("[evaluate] ", dataset.name(),
                    " has no picture: there is nothing to evaluate on");
  }
  fail<DataError>("[evaluate] none of the ", dataset.size(), " pictures of ", dataset.name(),
                  " can be read: the first was sought as ", dataset.info(0).file, " (", first,
                  "); is the folder of the pictures (img_prefix) right?");
}

std::vector<ImageDetections> detect_all(BaseDetector& model, const Dataset& dataset,
                                        const Pipeline& pipeline, const EvaluateOptions& options) {
  const SequentialSampler sampler(dataset);
  Loader loader(dataset, pipeline, sampler,
                {.batch_size = 1, .workers = options.workers, .bad_image = BadImage::Skip});
  loader.start_epoch(0);
  const autograd::Autocast autocast(options.bfloat16);
  std::vector<ImageDetections> all;
  int64_t done = 0, read = 0;
  while (std::optional<Batch> batch = loader.next()) {
    if (options.stop && options.stop->load()) break;
    batch->images = batch->images.to(options.device);
    std::vector<Detections> found =
        batch->metas.empty() ? std::vector<Detections>{} : model.predict(*batch);
    read += static_cast<int64_t>(found.size());
    for (size_t i = 0; i < found.size(); ++i) {
      all.push_back({batch->metas[i].id, std::move(found[i])});
    }
    if (options.progress) options.progress(++done, loader.num_batches());
  }
  if (read == 0) check_readable(dataset);
  return all;
}

Config evaluator_config(const EvalOptions& options, const Dataset& dataset) {
  if (!options.evaluator.is_null()) return options.evaluator;
  Config own = dataset.evaluator();
  const std::vector<std::string>& metrics = options.metric.values;
  if (metrics.empty()) {
    add_evaluator_options(options, own);
    return own;
  }
  const std::string_view type = evaluator_of(metrics.front());
  for (const std::string& metric : metrics) {
    if (evaluator_of(metric) != type) {
      fail<UsageError>("[evaluation] the metrics ", metrics.front(), " and ", metric,
                       " are of different evaluators, ", type, " and ", evaluator_of(metric));
    }
  }
  Config node = Config::map();
  // What the data set says of its own evaluator holds; another one has its defaults.
  if (own.at("type").as_string() == type) {
    node = own;
  } else {
    node.set("type", std::string(type));
  }
  if (type == "CocoEvaluator") {
    node.set("metric", options.metric.write());
    if (options.classwise) node.set("classwise", true);
  }
  // VOC's boxes have VOC's coordinates whatever is asked of them.
  if (type == "RecallEvaluator" && own.at("type").as_string() == "VocEvaluator") {
    const Config* legacy = own.find("legacy_coordinates");
    node.set("legacy_coordinates", legacy == nullptr || legacy->as_bool());
  }
  add_evaluator_options(options, node);
  return node;
}

DatasetEvaluation::DatasetEvaluation(const EvalOptions& options, const Dataset& dataset) {
  const Config node = evaluator_config(options, dataset);
  truths_ = std::make_unique<EvalTruths>(
      coco_truths(dataset, needs_masks(node) ? CocoMetric::kSegm : CocoMetric::kBbox));
  evaluator_ = build<Evaluator, const EvalTruths&>(node, *truths_);
}

bool evaluates_masks(const EvalOptions& options) {
  if (!options.evaluator.is_null()) return needs_masks(options.evaluator);
  return std::ranges::find(options.metric.values, "segm") != options.metric.values.end();
}

void keep_what_is_evaluated(const EvalOptions& options, Config& dataset) {
  if (evaluates_masks(options)) keep_masks(dataset);
}

}  // namespace kestrel
