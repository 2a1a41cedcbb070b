#pragma once

#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <kestrel/detection/anchors/anchor_generator.h>
#include <kestrel/detection/assigners/assigner.h>
#include <kestrel/detection/coders/bbox_coder.h>
#include <kestrel/detection/heads/dense_head.h>
#include <kestrel/detection/losses/loss.h>
#include <kestrel/detection/postprocess/dense_postprocess.h>
#include <kestrel/detection/samplers/sampler.h>

namespace kestrel {

/// What the losses of a batch are divided by.
enum class LossAverage : uint8_t {
  Batch,  ///< MMDetection: the sum over images of max(positives, 1).
  Image,  ///< torchvision: each image by its max(positives, 1), then by the number of images.
};

constexpr auto enum_names(LossAverage) {
  return std::array{std::pair{LossAverage::Batch, "batch"}, std::pair{LossAverage::Image, "image"}};
}

/// MMDetection's train_cfg of a dense head.
struct AnchorTrainOptions {
  Config assigner = {};
  Config sampler = {};
  int64_t allowed_border = -1;
  double pos_weight = -1;
  bool debug = false;
  LossAverage loss_average = LossAverage::Batch;

  template <class V>
  void visit(V& v) {
    v("assigner", assigner, "an assigner; null: MaxIoUAssigner");
    v("sampler", sampler, "a sampler; null: PseudoSampler");
    v("allowed_border", allowed_border, "-1: anchors may reach out of the image");
    v("pos_weight", pos_weight, "classification weight of positives, where above 0");
    v("debug", debug, "without effect");
    v("loss_average", loss_average, "over what the losses are averaged");
  }
};

struct AnchorHeadOptions {
  int64_t num_classes = 80;
  Config anchor_generator = {};
  Config bbox_coder = {};
  Config loss_cls = {};
  Config loss_bbox = {};
  bool reg_decoded_bbox = false;  ///< loss_bbox compares boxes, as IoU losses need, not deltas.
  AnchorTrainOptions train_cfg = {};
  DenseTestOptions test_cfg = {};
};

/// What every head does that classifies anchors and regresses boxes from them: targets, losses and
/// detections from the raw predictions. Subclasses have the layers.
class AnchorHead : public DenseHead {
 public:
  /// Raw predictions, one entry per level.
  struct Outputs {
    std::vector<Variable> cls_scores;  ///< (N, H, W, A * C) logits.
    std::vector<Variable> bbox_preds;  ///< (N, H, W, A * 4) deltas.
  };

  explicit AnchorHead(const AnchorHeadOptions& options);

  virtual Outputs forward(const std::vector<Variable>& levels) = 0;
  /// loss_cls and loss_bbox. An image without ground truths has negatives alone; without anchors
  /// that count it adds nothing. Reads the packed targets alone.
  Losses loss(const Outputs& outputs, const TargetTensors& targets) const;
  std::vector<Detections> predict(const Outputs& outputs, const std::vector<ImageMeta>& metas,
                                  bool rescale) const;

  Losses losses(const std::vector<Variable>& levels, const Targets& targets) override;
  std::vector<Detections> predict(const std::vector<Variable>& levels,
                                  const std::vector<ImageMeta>& metas, bool rescale,
                                  PredictClock* clock) override;
  std::vector<StageOutput> outputs(const std::vector<Variable>& levels) override;
  std::vector<Candidates> candidates(const std::vector<Variable>& levels,
                                     const std::vector<ImageMeta>& metas) override;
  Detections suppress(const Candidates& candidates) const override;

  const AnchorGenerator& anchor_generator() const { return *anchor_generator_; }
  DenseTestOptions& test_cfg() { return options_.test_cfg; }
  int64_t num_classes() const override { return options_.num_classes; }

 protected:
  int64_t num_anchors() const { return anchor_generator_->num_base_anchors(0); }

 private:
  struct RowTargets;

  RowTargets make_targets(const AnchorGrid& grid, const TargetTensors& targets) const;
  Variable bbox_loss(const Variable& pred, const RowTargets& targets) const;
  std::vector<GridSize> check_outputs(const Outputs& outputs, int64_t images) const;
  /// What is predicted for each image, level by level.
  std::vector<std::vector<LevelPredictions>> by_image(const Outputs& outputs,
                                                      const std::vector<ImageMeta>& metas) const;

  AnchorHeadOptions options_;
  std::unique_ptr<AnchorGenerator> anchor_generator_;
  std::unique_ptr<BBoxCoder> bbox_coder_;
  std::unique_ptr<ClassificationLoss> loss_cls_;
  std::unique_ptr<RegressionLoss> loss_bbox_;
  std::unique_ptr<Assigner> assigner_;
  std::unique_ptr<Sampler> sampler_;
};

}  // namespace kestrel
