#include <kestrel/detection/heads/anchor_head.h>

#include <algorithm>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/shape_ops.h>

namespace kestrel {
namespace {

/// A component from its node, or, where there is none, the one of this name.
template <class Base>
std::unique_ptr<Base> build_or(const Config& node, const char* type) {
  if (!node.is_null()) return build<Base>(node);
  Config standard = Config::map();
  standard.set("type", type);
  return build<Base>(standard);
}

}  // namespace

/// What one level of a batch is to predict; rows are (image, anchor of the level).
struct AnchorHead::LevelTargets {
  Tensor labels;                        ///< (N * n) int64.
  Tensor weights;                       ///< (N * n) float32 of the rows, or undefined: all 1.
  std::vector<int64_t> positives;       ///< Rows.
  std::vector<float> anchors;           ///< (P, 4) of the positives.
  std::vector<float> boxes;             ///< (P, 4) ground truths of the positives.
  std::vector<float> positive_weights;  ///< (P), or empty: all 1.
};

struct AnchorHead::Targets {
  std::vector<LevelTargets> levels;
  double avg_factor = 0;
};

AnchorHead::AnchorHead(const AnchorHeadOptions& options)
    : options_(options),
      anchor_generator_(build_or<AnchorGenerator>(options.anchor_generator, "AnchorGenerator")),
      bbox_coder_(build_or<BBoxCoder>(options.bbox_coder, "DeltaXYWHBBoxCoder")),
      loss_cls_(build_or<ClassificationLoss>(options.loss_cls, "FocalLoss")),
      loss_bbox_(build_or<RegressionLoss>(options.loss_bbox, "L1Loss")),
      assigner_(build_or<Assigner>(options.train_cfg.assigner, "MaxIoUAssigner")),
      sampler_(build_or<Sampler>(options.train_cfg.sampler, "PseudoSampler")) {
  if (options.num_classes <= 0) {
    fail<UsageError>("[anchor_head] num_classes must be positive, got ", options.num_classes);
  }
  if (options.test_cfg.nms.type != "nms") {
    fail<UsageError>("[anchor_head] test_cfg.nms.type must be nms, got ",
                     options.test_cfg.nms.type);
  }
}

std::vector<GridSize> AnchorHead::check_outputs(const HeadOutputs& outputs, size_t images) const {
  const size_t levels = anchor_generator_->num_levels();
  KESTREL_CHECK(outputs.cls_scores.size() == levels && outputs.bbox_preds.size() == levels,
                "[anchor_head] ", outputs.cls_scores.size(), " and ", outputs.bbox_preds.size(),
                " levels of predictions for anchors of ", levels);
  std::vector<GridSize> sizes;
  for (size_t i = 0; i < levels; ++i) {
    const Shape& cls = outputs.cls_scores[i].shape();
    const Shape& reg = outputs.bbox_preds[i].shape();
    const int64_t a = anchor_generator_->num_base_anchors(i);
    KESTREL_CHECK(cls.dims() == 4 && cls[0] == static_cast<int64_t>(images) &&
                      cls[3] == a * num_classes() && reg == Shape({cls[0], cls[1], cls[2], a * 4}),
                  "[anchor_head] level ", i, " must be (", images, ", H, W, ", a * num_classes(),
                  ") and (", images, ", H, W, ", a * 4, "), got ", cls, " and ", reg);
    sizes.push_back({cls[1], cls[2]});
  }
  return sizes;
}

AnchorGrid AnchorHead::grid_of(const std::vector<GridSize>& sizes,
                               const std::vector<ImageMeta>& metas) const {
  int64_t height = 0;
  int64_t width = 0;
  for (const ImageMeta& meta : metas) {
    height = std::max(height, meta.pad_height);
    width = std::max(width, meta.pad_width);
  }
  return anchor_generator_->grid(sizes, height, width);
}

AnchorHead::Targets AnchorHead::make_targets(const AnchorGrid& grid,
                                             const std::vector<GridSize>& sizes,
                                             const std::vector<GroundTruth>& truths,
                                             const std::vector<ImageMeta>& metas) const {
  const auto images = static_cast<int64_t>(truths.size());
  const bool per_image = options_.train_cfg.loss_average == LossAverage::Image;
  const double pos_weight = options_.train_cfg.pos_weight;
  const bool weighted = per_image || pos_weight > 0;
  Targets targets;
  targets.levels.resize(sizes.size());
  for (size_t l = 0; l < sizes.size(); ++l) {
    const int64_t rows = images * (grid.end(l) - grid.begin(l));
    targets.levels[l].labels = Tensor::full({rows}, -1, DType::Int64);
    if (weighted) targets.levels[l].weights = Tensor::full({rows}, 1);
  }
  for (int64_t image = 0; image < images; ++image) {
    const GroundTruth& truth = truths[static_cast<size_t>(image)];
    const ImageMeta& meta = metas[static_cast<size_t>(image)];
    const Tensor valid =
        anchor_generator_->valid_flags(grid, sizes, meta, options_.train_cfg.allowed_border);
    const AssignResult assigned = assigner_->assign(grid.anchors, valid, truth.boxes);
    const SamplingResult sampled = sampler_->sample(assigned);
    const auto count = static_cast<double>(std::max<size_t>(1, sampled.positives.size()));
    targets.avg_factor += count;
    const double image_weight = per_image ? 1 / (count * static_cast<double>(images)) : 1;

    // Both lists ascend, so the level only ever goes up.
    const auto for_rows = [&](const std::vector<int64_t>& anchors, auto f) {
      size_t l = 0;
      for (const int64_t anchor : anchors) {
        while (anchor >= grid.end(l)) ++l;
        const int64_t per_level = grid.end(l) - grid.begin(l);
        f(targets.levels[l], image * per_level + anchor - grid.begin(l), anchor);
      }
    };
    for_rows(sampled.negatives, [&](LevelTargets& level, int64_t row, int64_t) {
      level.labels.data<int64_t>()[row] = num_classes();
      if (weighted) level.weights.data<float>()[row] = static_cast<float>(image_weight);
    });
    for_rows(sampled.positives, [&](LevelTargets& level, int64_t row, int64_t anchor) {
      const int64_t gt = assigned.assigned.data<int64_t>()[anchor] - 1;
      const int64_t label = truth.labels.data<int64_t>()[gt];
      if (label < 0 || label >= num_classes()) {
        fail<DataError>("[anchor_head] ", meta.file, ": label ", label, " of object ", gt,
                        " is not in [0, ", num_classes(), ")");
      }
      level.labels.data<int64_t>()[row] = label;
      if (weighted) {
        level.weights.data<float>()[row] =
            static_cast<float>(image_weight * (pos_weight > 0 ? pos_weight : 1));
      }
      level.positives.push_back(row);
      const float* a = grid.anchors.data<float>() + anchor * 4;
      const float* b = truth.boxes.data<float>() + gt * 4;
      level.anchors.insert(level.anchors.end(), a, a + 4);
      level.boxes.insert(level.boxes.end(), b, b + 4);
      if (per_image) level.positive_weights.push_back(static_cast<float>(image_weight));
    });
  }
  if (per_image) targets.avg_factor = 1;
  return targets;
}

Variable AnchorHead::bbox_loss(const Variable& pred, const LevelTargets& targets,
                               std::optional<double> avg_factor) const {
  const auto count = static_cast<int64_t>(targets.positives.size());
  const Device device = pred.device();
  const Variable rows = autograd::gather_rows(autograd::reshape(pred, {-1, 4}),
                                              Tensor::from(targets.positives, {count}).to(device));
  const Tensor anchors = Tensor::from(targets.anchors, {count, 4}).to(device);
  const Tensor boxes = Tensor::from(targets.boxes, {count, 4}).to(device);
  Tensor weights;
  if (!targets.positive_weights.empty()) {
    weights = Tensor::from(targets.positive_weights, {count}).to(device);
  }
  if (options_.reg_decoded_bbox) {
    return loss_bbox_->forward(bbox_coder_->decode(anchors, rows), boxes, weights, avg_factor);
  }
  return loss_bbox_->forward(rows, bbox_coder_->encode(anchors, boxes), weights, avg_factor);
}

Losses AnchorHead::loss(const HeadOutputs& outputs, const std::vector<GroundTruth>& truths,
                        const std::vector<ImageMeta>& metas) {
  KESTREL_CHECK(truths.size() == metas.size() && !truths.empty(), "[anchor_head] ", truths.size(),
                " ground truths and ", metas.size(), " metas");
  const std::vector<GridSize> sizes = check_outputs(outputs, truths.size());
  const Targets targets = make_targets(grid_of(sizes, metas), sizes, truths, metas);
  Variable cls;
  Variable bbox;
  for (size_t l = 0; l < sizes.size(); ++l) {
    const LevelTargets& level = targets.levels[l];
    const Device device = outputs.cls_scores[l].device();
    const Variable level_cls = loss_cls_->forward(outputs.cls_scores[l], level.labels.to(device),
                                                  level.weights.to(device), targets.avg_factor);
    const Variable level_bbox = bbox_loss(outputs.bbox_preds[l], level, targets.avg_factor);
    cls = cls ? autograd::add(cls, level_cls) : level_cls;
    bbox = bbox ? autograd::add(bbox, level_bbox) : level_bbox;
  }
  return {{"loss_cls", cls}, {"loss_bbox", bbox}};
}

std::vector<Detections> AnchorHead::predict(const HeadOutputs& outputs,
                                            const std::vector<ImageMeta>& metas, bool rescale) {
  const std::vector<GridSize> sizes = check_outputs(outputs, metas.size());
  const AnchorGrid grid = grid_of(sizes, metas);
  std::vector<Detections> result;
  for (size_t image = 0; image < metas.size(); ++image) {
    const auto i = static_cast<int64_t>(image);
    std::vector<LevelPredictions> levels;
    for (size_t l = 0; l < sizes.size(); ++l) {
      levels.push_back({outputs.cls_scores[l].data()[i].reshape({-1, num_classes()}),
                        outputs.bbox_preds[l].data()[i].reshape({-1, 4}), grid.level(l)});
    }
    result.push_back(
        dense_postprocess(levels, metas[image], *bbox_coder_, options_.test_cfg, rescale));
  }
  return result;
}

}  // namespace kestrel
