#include <kestrel/detection/detectors/single_stage.h>

#include <chrono>
#include <utility>

#include <kestrel/kernels/device.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

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
    : SingleStageDetector(build<Backbone>(options.backbone), build<Neck>(options.neck),
                          build<DenseHead>(with_phase_configs(options))) {}

SingleStageDetector::SingleStageDetector(std::unique_ptr<Backbone> own_backbone,
                                         std::unique_ptr<Neck> own_neck,
                                         std::unique_ptr<DenseHead> own_head)
    : backbone(adopt("backbone", std::move(own_backbone))),
      neck(adopt("neck", std::move(own_neck))),
      bbox_head(adopt("bbox_head", std::move(own_head))) {}

std::vector<Variable> SingleStageDetector::extract_features(const Variable& images) {
  return neck.forward(backbone.forward(images));
}

Losses SingleStageDetector::losses(const Batch& batch) {
  const HeadOutputs outputs = bbox_head.forward(extract_features(Variable(batch.images)));
  return batch.targets ? bbox_head.loss(outputs, batch.targets)
                       : bbox_head.loss(outputs, batch.truths, batch.metas);
}

std::vector<Detections> SingleStageDetector::predict(const Batch& batch, bool rescale,
                                                     PredictTimes* times) {
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::duration<double, std::milli>;
  const autograd::NoGrad no_grad;
  const auto start = Clock::now();
  const HeadOutputs outputs = bbox_head.forward(extract_features(Variable(batch.images)));
  const Device device = batch.images.device();
  if (times && device.is_cuda()) gpu::synchronize(gpu::current_stream(device.index()));
  const auto middle = Clock::now();
  std::vector<Detections> detections = bbox_head.predict(outputs, batch.metas, rescale);
  if (times) {
    times->inference += Milliseconds(middle - start).count();
    times->postprocess += Milliseconds(Clock::now() - middle).count();
  }
  return detections;
}

}  // namespace kestrel
