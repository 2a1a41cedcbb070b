#include <kestrel/engine/evaluate.h>

#include <gtest/gtest.h>

#include <kestrel/data/datasets/shapes.h>
#include <kestrel/engine/train.h>
#include <kestrel/registry/options.h>

#include "tiny_retinanet.h"
#include "toy_run.h"

namespace kestrel {
namespace {

/// Counts detections and nothing else: an evaluator that nobody but a plug-in knows.
struct CountingOptions {
  std::string name = "found";
  template <class V>
  void visit(V& v) {
    v("name", name);
  }
};

class CountingEvaluator : public Evaluator {
 public:
  CountingEvaluator(const CountingOptions& options, const EvalTruths&) : name_(options.name) {}
  EvalReport evaluate(const std::vector<ImageDetections>& detections) const override {
    double count = 0;
    for (const ImageDetections& image : detections) {
      count += static_cast<double>(image.found.scores.numel());
    }
    return {.numbers = {{name_, count}}, .text = name_ + "\n"};
  }

 private:
  std::string name_;
};

const EvaluatorRegistration<CountingEvaluator, CountingOptions> kCounting{"CountingEvaluator"};

/// A data set that says who evaluates it.
class OfVoc : public Dataset {
 public:
  OfVoc() : Dataset("voc") { set_classes({"cat"}); }
  Config evaluator() const override {
    return Config::parse("{type: VocEvaluator, mode: 11points}");
  }
};

TEST(Evaluation, TheDataSetChoosesAndTheConfigOverrules) {
  const OfVoc voc;
  const ShapesDataset shapes({.num_images = 2});
  const auto chosen = [](const std::string& node, const Dataset& dataset) {
    const Config config = evaluator_config(read_options<EvalOptions>(Config::parse(node)), dataset);
    std::string text = config.at("type").as_string();
    if (const Config* mode = config.find("mode")) text += " " + mode->as_string();
    return text;
  };
  EXPECT_EQ(chosen("{interval: 2}", voc), "VocEvaluator 11points");
  EXPECT_EQ(chosen("{interval: 2}", shapes), "CocoEvaluator");
  EXPECT_EQ(chosen("{metric: mAP}", voc), "VocEvaluator 11points");
  EXPECT_EQ(chosen("{metric: mAP}", shapes), "VocEvaluator");
  EXPECT_EQ(chosen("{metric: bbox}", voc), "CocoEvaluator");
  EXPECT_EQ(chosen("{metric: [bbox, proposal], classwise: true}", voc), "CocoEvaluator");
  EXPECT_EQ(chosen("{evaluator: {type: CountingEvaluator}}", voc), "CountingEvaluator");
  EXPECT_THROW(chosen("{metric: box}", voc), UsageError);
  EXPECT_THROW(chosen("{metric: [bbox, mAP]}", voc), UsageError);
}

TEST(Evaluation, HandsItsOptionsToTheEvaluator) {
  const OfVoc voc;
  const ShapesDataset shapes({.num_images = 2});
  const auto node = [](const std::string& text, const Dataset& dataset) {
    return evaluator_config(read_options<EvalOptions>(Config::parse(text)), dataset);
  };
  EXPECT_EQ(node("{iou_thr: [0.5, 0.7]}", voc).at("iou_thr").items().size(), 2u);
  EXPECT_EQ(node("{metric: bbox, iou_thrs: [0.5], metric_items: [mAP]}", shapes)
                .at("metric_items")
                .items()
                .size(),
            1u);
  EXPECT_TRUE(node("{metric: recall}", voc).at("legacy_coordinates").as_bool());
  EXPECT_FALSE(node("{metric: recall}", shapes).contains("legacy_coordinates"));
  // One that the evaluator does not know is an error.
  const EvalTruths none;
  EXPECT_THROW((build<Evaluator, const EvalTruths&>(
                   node("{metric: mAP, proposal_nums: [1]}", shapes), none)),
               UsageError);
}

TEST(Evaluation, MasksAreKeptWhereTheyAreEvaluated) {
  const auto kept = [](const std::string& evaluation, const std::string& set) {
    Config node = Config::parse(set);
    keep_what_is_evaluated(read_options<EvalOptions>(Config::parse(evaluation)), node);
    while (const Config* inner = node.find("dataset")) node = Config(*inner);
    return node.contains("with_mask");
  };
  EXPECT_TRUE(kept("{metric: [bbox, segm]}", "{type: CocoDataset}"));
  EXPECT_TRUE(kept("{metric: segm}", "{type: RepeatDataset, dataset: {type: CocoDataset}}"));
  EXPECT_TRUE(kept("{evaluator: {type: CocoEvaluator, metric: segm}}", "{type: CocoDataset}"));
  EXPECT_FALSE(kept("{metric: bbox}", "{type: CocoDataset}"));
  EXPECT_FALSE(kept("{metric: segm}", "{type: ShapesDataset}"));
}

using EvaluatedRun = ToyRun;

TEST_F(EvaluatedRun, KeepsWhateverNumbersItsEvaluatorHas) {
  Config config = tiny_config();
  for (const char* assignment : {"runner.max_epochs=1",
                                 "evaluation={interval: 1, save_best: found, evaluator: {type: "
                                 "CountingEvaluator}, _delete_: true}",
                                 "data.train.num_images=4"}) {
    config.apply_override(assignment);
  }
  config.set("default_hooks", Config::load(std::filesystem::path(KESTREL_SOURCE_DIR) /
                                           "configs/_base_/default_runtime.yaml")
                                  .at("default_hooks"));
  const TrainSummary summary = train_detector(config, {.out = folder_, .seed = 1});
  ASSERT_EQ(summary.metrics.size(), 1u);
  EXPECT_EQ(summary.metrics[0].first, "found");
  EXPECT_NE(text_of("results.csv").find("found"), std::string::npos);
  EXPECT_NE(text_of("metrics.jsonl").find("\"found\""), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "weights/best.safetensors"));
  // Its pictures are there, too; that of precision is empty.
  for (const char* name : {"PR_curve.png", "confusion_matrix.png", "coco_results.json"}) {
    EXPECT_TRUE(std::filesystem::exists(folder_ / name)) << name;
  }
}

}  // namespace
}  // namespace kestrel
