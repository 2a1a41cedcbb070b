#include <kestrel/detection/detectors/single_stage.h>

#include <utility>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<BaseDetector, SingleStageDetector, SingleStageOptions> kSingleStage{
    "SingleStageDetector", "backbone, neck where there is one, dense head"};
const Registration<BaseDetector, RetinaNet, SingleStageOptions> kRetinaNet{
    "RetinaNet", "one-stage detector: backbone, neck, dense head"};

/// The head's config with the detector's train_cfg and test_cfg inside, as MMDetection passes them.
Config with_phase_configs(const SingleStageOptions& options) {
  Config head = options.bbox_head;
  if (!options.train_cfg.is_null()) head.set("train_cfg", options.train_cfg);
  if (!options.test_cfg.is_null()) head.set("test_cfg", options.test_cfg);
  return head;
}

}  // namespace

SingleStageDetector::SingleStageDetector(const SingleStageOptions& options)
    : SingleStageDetector(build<Backbone>(options.backbone),
                          options.neck.is_null() ? nullptr : build<Neck>(options.neck),
                          build<DenseHead>(with_phase_configs(options))) {}

SingleStageDetector::SingleStageDetector(std::unique_ptr<Backbone> own_backbone,
                                         std::unique_ptr<Neck> own_neck,
                                         std::unique_ptr<DenseHead> own_head)
    : backbone(adopt("backbone", std::move(own_backbone))),
      neck(own_neck ? &adopt("neck", std::move(own_neck)) : nullptr),
      bbox_head(adopt("bbox_head", std::move(own_head))) {
  if (neck) backbone.first_needed = neck->first_input();
}

std::vector<Variable> SingleStageDetector::extract_features(const Variable& images) {
  std::vector<Variable> levels = backbone.forward(images);
  return neck ? neck->forward(std::move(levels)) : levels;
}

Losses SingleStageDetector::losses(const Batch& batch) {
  return bbox_head.losses(extract_features(Variable(batch.images)),
                          targets_of(batch, num_classes()));
}

std::vector<Detections> SingleStageDetector::predict(const Batch& batch, bool rescale,
                                                     PredictTimes* times) {
  const autograd::NoGrad no_grad;
  PredictClock clock(times, batch.images.device());
  return bbox_head.predict(extract_features(Variable(batch.images)), batch.metas, rescale, &clock);
}

std::vector<Detections> SingleStageDetector::predict_views(std::span<const Batch> views) {
  const autograd::NoGrad no_grad;
  std::vector<std::vector<Candidates>> of_image;
  for (const Batch& view : views) {
    std::vector<Candidates> found =
        bbox_head.candidates(extract_features(Variable(view.images)), view.metas);
    of_image.resize(std::max(of_image.size(), found.size()));
    KESTREL_CHECK(of_image.size() == found.size(),
                  "[single_stage] every view must have the same images, got ", of_image.size(),
                  " and ", found.size());
    for (size_t i = 0; i < found.size(); ++i) of_image[i].push_back(std::move(found[i]));
  }
  std::vector<Detections> result;
  for (const std::vector<Candidates>& parts : of_image) {
    result.push_back(bbox_head.suppress(concatenate(parts)));
  }
  return result;
}

std::vector<StageOutput> SingleStageDetector::stages(const Batch& batch) {
  std::vector<StageOutput> result;
  const size_t first_needed = std::exchange(backbone.first_needed, 0);  // all of them are shown
  std::vector<Variable> levels = backbone.forward(Variable(batch.images));
  backbone.first_needed = first_needed;
  result.push_back({"backbone", levels});
  if (neck) {
    levels = neck->forward(levels);
    result.push_back({"neck", levels});
  }
  for (StageOutput& output : bbox_head.outputs(levels)) {
    result.push_back({"bbox_head." + output.name, std::move(output.levels)});
  }
  return result;
}

}  // namespace kestrel
