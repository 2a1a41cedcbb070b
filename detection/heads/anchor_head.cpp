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

/// What the rows of a batch, or of one of its levels, are to predict: AnchorTargetViews.
struct AnchorHead::RowTargets {
  Tensor labels;
  Tensor label_weights;  ///< Undefined: all 1.
  Tensor anchors;
  Tensor boxes;
  Tensor box_weights;
  Tensor avg_factor;  ///< What the sums over rows are divided by.

  RowTargets slice(int64_t begin, int64_t end) const {
    return {
        labels.slice(begin, end),      label_weights ? label_weights.slice(begin, end) : Tensor(),
        anchors.slice(begin, end),     boxes.slice(begin, end),
        box_weights.slice(begin, end), avg_factor};
  }
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

std::vector<GridSize> AnchorHead::check_outputs(const Outputs& outputs, int64_t images) const {
  const size_t levels = anchor_generator_->num_levels();
  KESTREL_CHECK(outputs.cls_scores.size() == levels && outputs.bbox_preds.size() == levels,
                "[anchor_head] ", outputs.cls_scores.size(), " and ", outputs.bbox_preds.size(),
                " levels of predictions for anchors of ", levels);
  std::vector<GridSize> sizes;
  for (size_t i = 0; i < levels; ++i) {
    const Shape& cls = outputs.cls_scores[i].shape();
    const Shape& reg = outputs.bbox_preds[i].shape();
    const int64_t a = anchor_generator_->num_base_anchors(i);
    KESTREL_CHECK(cls.dims() == 4 && cls[0] == images && cls[3] == a * num_classes() &&
                      reg == Shape({cls[0], cls[1], cls[2], a * 4}),
                  "[anchor_head] level ", i, " must be (", images, ", H, W, ", a * num_classes(),
                  ") and (", images, ", H, W, ", a * 4, "), got ", cls, " and ", reg);
    sizes.push_back({cls[1], cls[2]});
  }
  return sizes;
}

AnchorHead::RowTargets AnchorHead::make_targets(const AnchorGrid& grid,
                                                const TargetTensors& targets) const {
  const Device device = grid.anchors.device();
  const int64_t n = grid.anchors.size(0);
  const int64_t images = targets.boxes.size(0);
  const int64_t rows = images * n;
  const AnchorTrainOptions& train = options_.train_cfg;
  const bool per_image = train.loss_average == LossAverage::Image;
  RowTargets result{.labels = Tensor::empty({rows}, DType::Int64, device),
                    .label_weights = {},
                    .anchors = Tensor::empty({rows, 4}, DType::Float32, device),
                    .boxes = Tensor::empty({rows, 4}, DType::Float32, device),
                    .box_weights = Tensor::empty({rows}, DType::Float32, device),
                    .avg_factor = Tensor::zeros({}, DType::Float64, device)};
  if (per_image || train.pos_weight > 0) {
    result.label_weights = Tensor::empty({rows}, DType::Float32, device);
  }
  const AnchorTargetViews views{result.labels.view(),      result.label_weights.view(),
                                result.anchors.view(),     result.boxes.view(),
                                result.box_weights.view(), result.avg_factor.view()};
  const std::span<const AnchorLevel> levels(grid.levels);
  Tensor valid = Tensor::empty({n}, DType::UInt8, device);
  for (int64_t image = 0; image < images; ++image) {
    run(device, cpu::anchor_flags, gpu::anchor_flags, grid.anchors.view(), levels,
        targets.sizes[image].cview(), train.allowed_border, valid.view());
    const Tensor truths = targets.boxes[image];
    AssignResult assigned = assigner_->assign(grid.anchors, valid, truths,
                                              targets.ignored ? targets.ignored[image] : Tensor());
    sampler_->sample(assigned);
    const AnchorTargetParams params{.num_classes = num_classes(),
                                    .pos_weight = train.pos_weight > 0 ? train.pos_weight : 1,
                                    .image = image,
                                    .images = images,
                                    .per_image = per_image};
    run(device, cpu::anchor_targets, gpu::anchor_targets, assigned.assigned.view(),
        grid.anchors.view(), targets.labels[image].cview(), truths.cview(), levels, params, views);
  }
  if (per_image) result.avg_factor.fill(1);
  return result;
}

Variable AnchorHead::bbox_loss(const Variable& pred, const RowTargets& targets) const {
  const Variable rows = autograd::reshape(pred, {-1, 4});
  if (options_.reg_decoded_bbox) {
    return loss_bbox_->forward(bbox_coder_->decode(targets.anchors, rows), targets.boxes,
                               targets.box_weights, targets.avg_factor);
  }
  return loss_bbox_->forward(rows, bbox_coder_->encode(targets.anchors, targets.boxes),
                             targets.box_weights, targets.avg_factor);
}

Losses AnchorHead::loss(const Outputs& outputs, const TargetTensors& targets) const {
  const int64_t images = targets.boxes.size(0);
  const std::vector<GridSize> sizes = check_outputs(outputs, images);
  const AnchorGrid grid = anchor_generator_->grid(sizes, targets.batch_height, targets.batch_width,
                                                  targets.boxes.device());
  const RowTargets all = make_targets(grid, targets);
  Variable cls;
  Variable bbox;
  for (size_t l = 0; l < sizes.size(); ++l) {
    const RowTargets level = all.slice(images * grid.begin(l), images * grid.end(l));
    const Variable level_cls = loss_cls_->forward(outputs.cls_scores[l], level.labels,
                                                  level.label_weights, level.avg_factor);
    const Variable level_bbox = bbox_loss(outputs.bbox_preds[l], level);
    cls = cls ? autograd::add(cls, level_cls) : level_cls;
    bbox = bbox ? autograd::add(bbox, level_bbox) : level_bbox;
  }
  return {{"loss_cls", cls}, {"loss_bbox", bbox}};
}

Losses AnchorHead::losses(const std::vector<Variable>& levels, const Targets& targets) {
  return loss(forward(levels), targets.packed);
}

std::vector<std::vector<LevelPredictions>> AnchorHead::by_image(
    const Outputs& outputs, const std::vector<ImageMeta>& metas) const {
  const std::vector<GridSize> sizes = check_outputs(outputs, static_cast<int64_t>(metas.size()));
  int64_t height = 0;
  int64_t width = 0;
  for (const ImageMeta& meta : metas) {
    height = std::max(height, meta.pad_height);
    width = std::max(width, meta.pad_width);
  }
  const Device device = metas.empty() ? Device::cpu() : outputs.cls_scores[0].data().device();
  const AnchorGrid grid = anchor_generator_->grid(sizes, height, width, device);
  std::vector<std::vector<LevelPredictions>> result(metas.size());
  for (size_t image = 0; image < metas.size(); ++image) {
    const auto i = static_cast<int64_t>(image);
    for (size_t l = 0; l < sizes.size(); ++l) {
      result[image].push_back({outputs.cls_scores[l].data()[i].reshape({-1, num_classes()}),
                               outputs.bbox_preds[l].data()[i].reshape({-1, 4}), grid.level(l)});
    }
  }
  return result;
}

std::vector<Detections> AnchorHead::predict(const Outputs& outputs,
                                            const std::vector<ImageMeta>& metas,
                                            bool rescale) const {
  std::vector<Detections> result;
  for (const auto& levels : by_image(outputs, metas)) {
    result.push_back(
        dense_postprocess(levels, metas[result.size()], *bbox_coder_, options_.test_cfg, rescale));
  }
  return result;
}

std::vector<Detections> AnchorHead::predict(const std::vector<Variable>& levels,
                                            const std::vector<ImageMeta>& metas, bool rescale,
                                            PredictClock* clock) {
  const Outputs outputs = forward(levels);
  if (clock) clock->network_done();
  return predict(outputs, metas, rescale);
}

std::vector<StageOutput> AnchorHead::outputs(const std::vector<Variable>& levels) {
  Outputs outputs = forward(levels);
  return {{"cls_scores", std::move(outputs.cls_scores)},
          {"bbox_preds", std::move(outputs.bbox_preds)}};
}

std::vector<Candidates> AnchorHead::candidates(const std::vector<Variable>& levels,
                                               const std::vector<ImageMeta>& metas) {
  std::vector<Candidates> result;
  for (const auto& predictions : by_image(forward(levels), metas)) {
    const ImageMeta& meta = metas[result.size()];
    result.push_back(dense_candidates(predictions, meta, *bbox_coder_, options_.test_cfg, true));
    mirror_back(result.back(), meta, static_cast<float>(meta.img_width) / meta.scale_x,
                static_cast<float>(meta.img_height) / meta.scale_y);
  }
  return result;
}

Detections AnchorHead::suppress(const Candidates& candidates) const {
  return kestrel::suppress(candidates, options_.test_cfg.nms, options_.test_cfg.max_per_img);
}

}  // namespace kestrel
