#pragma once

#include <memory>

#include <kestrel/detection/backbones/backbone.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/detection/heads/dense_head.h>
#include <kestrel/detection/necks/neck.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// Parts of a one-stage detector as a config file describes them.
struct SingleStageOptions {
  Config backbone;
  Config neck;  ///< None: the head looks at the backbone's maps.
  Config bbox_head;
  Config train_cfg;
  Config test_cfg;

  template <class V>
  void visit(V& v) {
    v("backbone", backbone, "a backbone");
    v("neck", neck, "a neck; null: none");
    v("bbox_head", bbox_head, "a dense head");
    v("train_cfg", train_cfg, "handed to the head, which reads assigner and sampler from it");
    v("test_cfg", test_cfg, "handed to the head, which reads its post-processing from it");
  }
};

/// Backbone, neck, if any, and dense head under the names "backbone", "neck" and "bbox_head".
class SingleStageDetector : public BaseDetector {
 public:
  explicit SingleStageDetector(const SingleStageOptions& options);
  /// `neck` may be null.
  SingleStageDetector(std::unique_ptr<Backbone> backbone, std::unique_ptr<Neck> neck,
                      std::unique_ptr<DenseHead> bbox_head);

  Losses losses(const Batch& batch) override;
  std::vector<Detections> predict(const Batch& batch, bool rescale = true,
                                  PredictTimes* times = nullptr) override;
  /// The candidates of all views together go through one suppression.
  std::vector<Detections> predict_views(std::span<const Batch> views) override;
  /// "backbone", "neck" and "bbox_head.<output>".
  std::vector<StageOutput> stages(const Batch& batch) override;
  int64_t num_classes() const override { return bbox_head.num_classes(); }
  bool needs_host_targets() const override { return bbox_head.needs_host_targets(); }

  /// images (N, H, W, 3) to the maps that the head looks at.
  std::vector<Variable> extract_features(const Variable& images);

  Backbone& backbone;
  Neck* neck;  ///< Null where there is none.
  DenseHead& bbox_head;
};

/// Lin et al. 2017, "Focal loss for dense object detection": a SingleStageDetector with RetinaHead.
class RetinaNet : public SingleStageDetector {
 public:
  using SingleStageDetector::SingleStageDetector;
};

}  // namespace kestrel
