#include <kestrel/detection/postprocess/dense_postprocess.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <kestrel/detection/postprocess/take_rows.h>
#include <kestrel/kernels/candidate_select.h>

namespace kestrel {
namespace {

/// The least logit whose sigmoid is not above the score.
float logit_of(double score) {
  if (score <= 0) return -std::numeric_limits<float>::infinity();
  if (score >= 1) return std::numeric_limits<float>::infinity();
  return static_cast<float>(std::log(score / (1 - score)));
}

/// The anchors with the best classes, best first.
LevelPredictions best_anchors(const LevelPredictions& level, int64_t most) {
  const int64_t n = level.logits.size(0);
  Tensor rows =
      Tensor::empty({most > 0 ? std::min(most, n) : n}, DType::Int64, level.logits.device());
  run(rows.device(), cpu::select_rows, gpu::select_rows, level.logits.view(), rows.view());
  return {take_rows(level.logits, rows), take_rows(level.deltas, rows),
          take_rows(level.anchors, rows)};
}

/// The (anchor, class) pairs of a level that are above the threshold, best first. How many there
/// are, the device knows.
struct Pairs {
  LevelPredictions level;
  Tensor positions;  ///< (k) int64, in the flattened logits.
  Tensor logits;     ///< (k) float32.
};

Pairs select_pairs(const LevelPredictions& all, const DenseTestOptions& options, Tensor count) {
  const bool anchors_first = options.candidates == CandidateKind::Anchors;
  Pairs pairs{.level = anchors_first ? best_anchors(all, options.nms_pre) : all};
  const Tensor& logits = pairs.level.logits;
  const bool limited = !anchors_first && options.nms_pre > 0;
  const int64_t most = limited ? std::min(options.nms_pre, logits.numel()) : logits.numel();
  pairs.positions = Tensor::empty({most}, DType::Int64, logits.device());
  pairs.logits = Tensor::empty({most}, DType::Float32, logits.device());
  run(logits.device(), cpu::select_above, gpu::select_above, logits.view(),
      logit_of(options.score_thr), pairs.positions.view(), pairs.logits.view(), count.view());
  return pairs;
}

/// Decodes the first `count` pairs of a level into the candidates from `begin` on.
void fill(Candidates& candidates, int64_t begin, int64_t count, const Pairs& pairs,
          const BBoxCoder& coder, ClipSize image, const CandidateParams& params) {
  const Device device = candidates.scores.device();
  const int64_t end = begin + count;
  const Tensor positions = pairs.positions.slice(0, count);
  Tensor rows = Tensor::empty({count}, DType::Int64, device);
  run(device, cpu::split_positions, gpu::split_positions, positions.view(),
      pairs.level.logits.size(1), rows.view(), candidates.labels.slice(begin, end).view());
  const Tensor decoded =
      coder.decode(take_rows(pairs.level.anchors, rows),
                   take_rows(pairs.level.deltas, rows).to(DType::Float32), image);
  run(device, cpu::score_candidates, gpu::score_candidates, decoded.view(),
      pairs.logits.slice(0, count).view(), params, candidates.boxes.slice(begin, end).view(),
      candidates.scores.slice(begin, end).view());
}

}  // namespace

Candidates dense_candidates(const std::vector<LevelPredictions>& levels, const ImageMeta& meta,
                            const BBoxCoder& coder, const DenseTestOptions& options, bool rescale) {
  const Device device = levels.empty() ? Device::cpu() : levels[0].logits.device();
  Tensor counts = Tensor::empty({static_cast<int64_t>(levels.size())}, DType::Int64, device);
  std::vector<Pairs> selected;
  for (const LevelPredictions& level : levels) {
    const int64_t n = level.anchors.size(0);
    KESTREL_CHECK(level.logits.dims() == 2 && level.logits.size(0) == n &&
                      level.deltas.shape() == Shape({n, 4}),
                  "[dense_postprocess] ", n, " anchors, but logits ", level.logits.shape(),
                  " and deltas ", level.deltas.shape());
    const auto place = static_cast<int64_t>(selected.size());
    selected.push_back(select_pairs(level, options, counts.slice(place, place + 1)));
  }

  const Tensor known = counts.to(Device::cpu());  // waits for the device, once for all levels
  const auto found = known.values<int64_t>();
  Candidates candidates(std::accumulate(found.begin(), found.end(), int64_t{0}), device);
  CandidateParams params;
  if (rescale) {
    params.scale_x = meta.scale_x;
    params.scale_y = meta.scale_y;
  }
  const ClipSize image{static_cast<double>(meta.img_width), static_cast<double>(meta.img_height)};
  int64_t begin = 0;
  for (size_t l = 0; l < selected.size(); ++l) {
    if (found[l] > 0) fill(candidates, begin, found[l], selected[l], coder, image, params);
    begin += found[l];
  }
  return candidates;
}

Detections dense_postprocess(const std::vector<LevelPredictions>& levels, const ImageMeta& meta,
                             const BBoxCoder& coder, const DenseTestOptions& options,
                             bool rescale) {
  const bool later = rescale && options.rescale_after_nms;
  Detections result = suppress(dense_candidates(levels, meta, coder, options, rescale && !later),
                               options.nms, options.max_per_img);
  if (later) {
    float* box = result.boxes.data<float>();
    for (int64_t i = 0; i < result.boxes.numel(); ++i) {
      box[i] /= i % 2 == 0 ? meta.scale_x : meta.scale_y;
    }
  }
  return result;
}

}  // namespace kestrel
