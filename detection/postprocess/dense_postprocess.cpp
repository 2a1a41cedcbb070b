#include <kestrel/detection/postprocess/dense_postprocess.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <kestrel/kernels/candidate_select.h>
#include <kestrel/kernels/nms.h>
#include <kestrel/kernels/rows.h>

namespace kestrel {
namespace {

/// The least logit whose sigmoid is not above the score.
float logit_of(double score) {
  if (score <= 0) return -std::numeric_limits<float>::infinity();
  if (score >= 1) return std::numeric_limits<float>::infinity();
  return static_cast<float>(std::log(score / (1 - score)));
}

float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

/// A scored (anchor, class) pair of a level.
struct Candidate {
  int64_t row;
  int64_t label;
  float score;
};

/// Rows of a float32 or bfloat16 tensor (n, width) of any device, as float32 on the CPU.
Tensor take_rows(const Tensor& source, const Tensor& rows) {
  Tensor result = Tensor::empty({rows.size(0), source.size(1)}, source.dtype(), source.device());
  const Tensor indices = rows.to(source.device());
  run(source.device(), cpu::gather_rows, gpu::gather_rows, source.view(), indices.view(),
      result.view());
  return result.to(Device::cpu()).to(DType::Float32);
}

Tensor rows_of(const std::vector<Candidate>& candidates) {
  Tensor rows = Tensor::empty({static_cast<int64_t>(candidates.size())}, DType::Int64);
  std::transform(candidates.begin(), candidates.end(), rows.data<int64_t>(),
                 [](const Candidate& candidate) { return candidate.row; });
  return rows;
}

/// Top pairs above the threshold.
std::vector<Candidate> best_pairs(const Tensor& logits, const DenseTestOptions& options) {
  const int64_t classes = logits.size(1);
  const int64_t most =
      options.nms_pre > 0 ? std::min(options.nms_pre, logits.numel()) : logits.numel();
  Tensor indices = Tensor::empty({most}, DType::Int64, logits.device());
  Tensor values = Tensor::empty({most}, DType::Float32, logits.device());
  const int64_t count = run(logits.device(), cpu::select_above, gpu::select_above, logits.view(),
                            logit_of(options.score_thr), indices.view(), values.view());
  const Tensor places = indices.slice(0, count).to(Device::cpu());
  const Tensor scores = values.slice(0, count).to(Device::cpu());
  std::vector<Candidate> result;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = places.data<int64_t>()[i];
    result.push_back({index / classes, index % classes, sigmoid(scores.data<float>()[i])});
  }
  return result;
}

/// Pairs above the threshold of the anchors with the best classes.
std::vector<Candidate> pairs_of_best_anchors(const Tensor& logits,
                                             const DenseTestOptions& options) {
  const int64_t n = logits.size(0);
  const int64_t classes = logits.size(1);
  Tensor best = Tensor::empty({options.nms_pre > 0 ? std::min(options.nms_pre, n) : n},
                              DType::Int64, logits.device());
  run(logits.device(), cpu::select_rows, gpu::select_rows, logits.view(), best.view());
  const Tensor rows = best.to(Device::cpu());
  const Tensor taken = take_rows(logits, rows);
  const float threshold = logit_of(options.score_thr);
  std::vector<Candidate> result;
  const float* value = taken.data<float>();
  for (const int64_t row : rows.values<int64_t>()) {
    for (int64_t c = 0; c < classes; ++c, ++value) {
      if (*value > threshold) result.push_back({row, c, sigmoid(*value)});
    }
  }
  return result;
}

/// Candidates of all levels, decoded.
struct Pool {
  std::vector<float> boxes;
  std::vector<float> scores;
  std::vector<int64_t> labels;

  void add(const float* box, float score, int64_t label) {
    boxes.insert(boxes.end(), box, box + 4);
    scores.push_back(score);
    labels.push_back(label);
  }
  int64_t size() const { return static_cast<int64_t>(scores.size()); }
};

void divide(float* box, const ImageMeta& meta) {
  box[0] /= meta.scale_x;
  box[1] /= meta.scale_y;
  box[2] /= meta.scale_x;
  box[3] /= meta.scale_y;
}

void add_level(const LevelPredictions& level, const ImageMeta& meta, const BBoxCoder& coder,
               const DenseTestOptions& options, bool rescale, Pool& pool) {
  const std::vector<Candidate> candidates = options.candidates == Candidates::Pairs
                                                ? best_pairs(level.logits, options)
                                                : pairs_of_best_anchors(level.logits, options);
  if (candidates.empty()) return;
  const Tensor rows = rows_of(candidates);
  Tensor boxes =
      coder.decode(take_rows(level.anchors, rows), take_rows(level.deltas, rows),
                   {static_cast<double>(meta.img_width), static_cast<double>(meta.img_height)});
  const auto smallest = static_cast<float>(options.min_bbox_size);
  float* box = boxes.data<float>();
  for (const Candidate& c : candidates) {
    if (rescale && !options.rescale_after_nms) divide(box, meta);
    const bool finite = std::all_of(box, box + 4, [](float v) { return std::isfinite(v); });
    const bool large = smallest < 0 || (box[2] - box[0] > smallest && box[3] - box[1] > smallest);
    if (finite && large) pool.add(box, c.score, c.label);
    box += 4;
  }
}

}  // namespace

Detections dense_postprocess(const std::vector<LevelPredictions>& levels, const ImageMeta& meta,
                             const BBoxCoder& coder, const DenseTestOptions& options,
                             bool rescale) {
  Pool pool;
  for (const LevelPredictions& level : levels) {
    const int64_t n = level.anchors.size(0);
    KESTREL_CHECK(level.logits.dims() == 2 && level.logits.size(0) == n &&
                      level.deltas.shape() == Shape({n, 4}),
                  "[dense_postprocess] ", n, " anchors, but logits ", level.logits.shape(),
                  " and deltas ", level.deltas.shape());
    add_level(level, meta, coder, options, rescale, pool);
  }
  const int64_t n = pool.size();
  std::vector<int64_t> kept(pool.scores.size());
  const ConstView classes{pool.labels.data(), DType::Int64, {n}};
  const int64_t count = cpu::nms(
      {pool.boxes.data(), DType::Float32, {n, 4}}, {pool.scores.data(), DType::Float32, {n}},
      options.nms.class_agnostic ? ConstView{} : classes,
      {options.nms.iou_threshold, options.max_per_img}, {kept.data(), DType::Int64, {n}});
  Detections result{Tensor::empty({count, 4}), Tensor::empty({count}),
                    Tensor::empty({count}, DType::Int64)};
  for (int64_t i = 0; i < count; ++i) {
    const auto k = static_cast<size_t>(kept[static_cast<size_t>(i)]);
    float* box = result.boxes.data<float>() + i * 4;
    std::copy_n(pool.boxes.data() + k * 4, 4, box);
    if (rescale && options.rescale_after_nms) divide(box, meta);
    result.scores.data<float>()[i] = pool.scores[k];
    result.labels.data<int64_t>()[i] = pool.labels[k];
  }
  return result;
}

}  // namespace kestrel
