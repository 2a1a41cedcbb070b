#include <kestrel/kernels/anchor_assign.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kestrel/kernels/cpu/anchor_assign.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <limits>
#include <vector>

#include <kestrel/kernels/common/anchor_assign_checks.h>
#include <kestrel/kernels/common/box_geometry.h>
#include <kestrel/kernels/parallel.h>

// Anchors are taken in chunks. A first pass finds the best ground truth of each anchor and the best
// IoU of each ground truth in each chunk; a second one computes the IoUs of a ground truth again,
// in those chunks alone where its best IoU occurs. Compiled without contraction, so that both
// passes round alike and ties are ties.

#ifndef KESTREL_ANCHOR_ASSIGN_ONCE
#define KESTREL_ANCHOR_ASSIGN_ONCE
namespace kestrel::cpu {

inline constexpr int64_t kAssignChunk = 1024;

/// One chunk of anchors by coordinate, filled up with anchors that overlap nothing.
struct AnchorChunk {
  alignas(64) float x1[kAssignChunk], y1[kAssignChunk], x2[kAssignChunk], y2[kAssignChunk];
  alignas(64) float area[kAssignChunk];
  alignas(64) float best[kAssignChunk];
  alignas(64) int32_t best_truth[kAssignChunk];
  alignas(64) float ious[kAssignChunk];
  geometry::BoxOf<float> hull;
  int64_t begin, end;
};

}  // namespace kestrel::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace kestrel::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// IoUs of a ground truth with the anchors of a chunk; returns the largest. With `update`, keeps
/// the best IoU and ground truth of each anchor as well.
template <bool update>
float iou_row(AnchorChunk& chunk, const geometry::BoxOf<float>& truth, int32_t number) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> di;
  const auto x1 = hn::Set(d, truth.x1);
  const auto y1 = hn::Set(d, truth.y1);
  const auto x2 = hn::Set(d, truth.x2);
  const auto y2 = hn::Set(d, truth.y2);
  const auto own = hn::Set(d, geometry::area(truth));
  const auto eps = hn::Set(d, 1e-6f);
  const auto zero = hn::Zero(d);
  const auto name = hn::Set(di, number);
  auto most = zero;
  const auto count = static_cast<size_t>(chunk.end - chunk.begin);
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    const auto w = hn::Max(
        hn::Sub(hn::Min(x2, hn::Load(d, chunk.x2 + i)), hn::Max(x1, hn::Load(d, chunk.x1 + i))),
        zero);
    const auto h = hn::Max(
        hn::Sub(hn::Min(y2, hn::Load(d, chunk.y2 + i)), hn::Max(y1, hn::Load(d, chunk.y1 + i))),
        zero);
    const auto inter = hn::Mul(w, h);
    const auto both = hn::Max(hn::Sub(hn::Add(own, hn::Load(d, chunk.area + i)), inter), eps);
    const auto iou = hn::Div(inter, both);
    hn::Store(iou, d, chunk.ious + i);
    most = hn::Max(most, iou);
    if constexpr (update) {
      const auto best = hn::Load(d, chunk.best + i);
      const auto better = hn::Gt(iou, best);
      hn::Store(hn::IfThenElse(better, iou, best), d, chunk.best + i);
      hn::Store(
          hn::IfThenElse(hn::RebindMask(di, better), name, hn::Load(di, chunk.best_truth + i)), di,
          chunk.best_truth + i);
    }
  }
  return hn::GetLane(hn::MaxOfLanes(d, most));
}

float iou_row_best(AnchorChunk& chunk, const geometry::BoxOf<float>& truth, int32_t number) {
  return iou_row<true>(chunk, truth, number);
}
float iou_row_only(AnchorChunk& chunk, const geometry::BoxOf<float>& truth, int32_t number) {
  return iou_row<false>(chunk, truth, number);
}

}  // namespace kestrel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kestrel::cpu {

HWY_EXPORT(iou_row_best);
HWY_EXPORT(iou_row_only);

namespace {

class AnchorAssigner {
 public:
  AnchorAssigner(const float* anchors, const uint8_t* valid, int64_t n, const float* truths,
                 int64_t g, const AssignParams& params, int64_t* assigned, float* max_iou)
      : anchors_(anchors),
        valid_(valid),
        n_(n),
        params_(params),
        assigned_(assigned),
        max_iou_(max_iou) {
    for (int64_t i = 0; i < g; ++i) {
      const auto truth = geometry::load_box(truths + i * 4);
      if (!geometry::has_finite_area(truth)) continue;
      truths_.push_back(truth);
      numbers_.push_back(i + 1);
    }
    chunks_ = (n + kAssignChunk - 1) / kAssignChunk;
    chunk_best_.assign(static_cast<size_t>(chunks_) * truths_.size(), 0.0f);
  }

  void run() {
    parallel_for(n_, kAssignChunk, [&](int64_t begin, int64_t end) { by_threshold(begin, end); });
    if (params_.low_quality == LowQuality::None || truths_.empty() || n_ == 0) return;
    find_best();
    if (params_.low_quality == LowQuality::GroundTruthTakes && !params_.gt_max_assign_all) {
      take_first();
      return;
    }
    parallel_for(n_, kAssignChunk, [&](int64_t begin, int64_t end) { low_quality(begin, end); });
  }

 private:
  bool is_valid(int64_t i) const {
    return (!valid_ || valid_[i] != 0) &&
           geometry::has_finite_area(geometry::load_box(anchors_ + i * 4));
  }
  float& best_in_chunk(int64_t chunk, size_t truth) {
    return chunk_best_[static_cast<size_t>(chunk) * truths_.size() + truth];
  }

  /// Anchors that are not valid overlap nothing, like the padding at the end.
  void load(AnchorChunk& chunk, int64_t begin, int64_t end) const {
    chunk.begin = begin;
    chunk.end = end;
    constexpr float kHuge = std::numeric_limits<float>::max();
    chunk.hull = {kHuge, kHuge, -kHuge, -kHuge};
    for (int64_t i = 0; i < kAssignChunk; ++i) {
      geometry::BoxOf<float> a{kHuge, kHuge, -kHuge, -kHuge};
      float area = 0;
      if (begin + i < end && is_valid(begin + i)) {
        a = geometry::load_box(anchors_ + (begin + i) * 4);
        area = geometry::area(a);
        chunk.hull = {std::min(chunk.hull.x1, a.x1), std::min(chunk.hull.y1, a.y1),
                      std::max(chunk.hull.x2, a.x2), std::max(chunk.hull.y2, a.y2)};
      }
      chunk.x1[i] = a.x1;
      chunk.y1[i] = a.y1;
      chunk.x2[i] = a.x2;
      chunk.y2[i] = a.y2;
      chunk.area[i] = area;
      chunk.best[i] = 0;
      chunk.best_truth[i] = 0;
    }
  }

  static bool touches(const geometry::BoxOf<float>& a, const geometry::BoxOf<float>& b) {
    return a.x1 <= b.x2 && b.x1 <= a.x2 && a.y1 <= b.y2 && b.y1 <= a.y2;
  }

  void by_threshold(int64_t begin, int64_t end) {
    AnchorChunk chunk;
    load(chunk, begin, end);
    for (size_t t = 0; t < truths_.size(); ++t) {
      if (!touches(chunk.hull, truths_[t])) continue;
      best_in_chunk(begin / kAssignChunk, t) =
          HWY_DYNAMIC_DISPATCH(iou_row_best)(chunk, truths_[t], static_cast<int32_t>(t));
    }
    const auto positive = static_cast<float>(params_.pos_iou_thr);
    const auto lower = static_cast<float>(params_.neg_iou_lower);
    const auto upper = static_cast<float>(params_.neg_iou_upper);
    for (int64_t i = begin; i < end; ++i) {
      const float iou = chunk.best[i - begin];
      max_iou_[i] = iou;
      assigned_[i] = -1;
      if (!is_valid(i)) continue;
      if (truths_.empty() || (iou >= lower && iou < upper)) assigned_[i] = 0;
      if (!truths_.empty() && iou >= positive) {
        assigned_[i] = numbers_[static_cast<size_t>(chunk.best_truth[i - begin])];
      }
    }
  }

  void find_best() {
    truth_best_.assign(truths_.size(), 0.0f);
    for (int64_t c = 0; c < chunks_; ++c) {
      for (size_t t = 0; t < truths_.size(); ++t) {
        truth_best_[t] = std::max(truth_best_[t], best_in_chunk(c, t));
      }
    }
  }

  /// Whether a ground truth's best anchors lie in a chunk; computes their IoUs if so.
  bool revisit(AnchorChunk& chunk, size_t t) {
    if (params_.low_quality == LowQuality::GroundTruthTakes &&
        !(truth_best_[t] >= static_cast<float>(params_.min_pos_iou))) {
      return false;
    }
    if (best_in_chunk(chunk.begin / kAssignChunk, t) != truth_best_[t]) return false;
    HWY_DYNAMIC_DISPATCH(iou_row_only)(chunk, truths_[t], 0);
    return true;
  }

  void low_quality(int64_t begin, int64_t end) {
    AnchorChunk chunk;
    load(chunk, begin, end);
    std::vector<uint8_t> chosen;
    if (params_.low_quality == LowQuality::AnchorChooses) {
      chosen.assign(static_cast<size_t>(end - begin), 0);
    }
    for (size_t t = 0; t < truths_.size(); ++t) {
      if (!revisit(chunk, t)) continue;
      for (int64_t i = begin; i < end; ++i) {
        if (chunk.ious[i - begin] != truth_best_[t] || !is_valid(i)) continue;
        if (chosen.empty()) {
          assigned_[i] = numbers_[t];
        } else {
          chosen[static_cast<size_t>(i - begin)] = 1;
        }
      }
    }
    if (std::find(chosen.begin(), chosen.end(), 1) == chosen.end()) return;
    for (size_t t = 0; t < truths_.size(); ++t) {
      HWY_DYNAMIC_DISPATCH(iou_row_best)(chunk, truths_[t], static_cast<int32_t>(t));
    }
    for (int64_t i = begin; i < end; ++i) {
      if (chosen[static_cast<size_t>(i - begin)] == 0) continue;
      assigned_[i] = numbers_[static_cast<size_t>(chunk.best_truth[i - begin])];
    }
  }

  /// One anchor per ground truth, the first of those that tie; in the order of the ground truths.
  void take_first() {
    std::vector<int64_t> first(truths_.size(), -1);
    AnchorChunk chunk;
    for (int64_t c = 0; c < chunks_; ++c) {
      bool loaded = false;
      for (size_t t = 0; t < truths_.size(); ++t) {
        if (first[t] >= 0 || best_in_chunk(c, t) != truth_best_[t]) continue;
        if (!loaded) load(chunk, c * kAssignChunk, std::min(n_, (c + 1) * kAssignChunk));
        loaded = true;
        if (!revisit(chunk, t)) continue;
        for (int64_t i = chunk.begin; i < chunk.end && first[t] < 0; ++i) {
          if (chunk.ious[i - chunk.begin] == truth_best_[t] && is_valid(i)) first[t] = i;
        }
      }
    }
    for (size_t t = 0; t < truths_.size(); ++t) {
      if (first[t] >= 0) assigned_[first[t]] = numbers_[t];
    }
  }

  const float* anchors_;
  const uint8_t* valid_;
  int64_t n_;
  const AssignParams& params_;
  int64_t* assigned_;
  float* max_iou_;
  std::vector<geometry::BoxOf<float>> truths_;
  std::vector<int64_t> numbers_;  // 1-based, in the input
  int64_t chunks_ = 0;
  std::vector<float> chunk_best_;  // (chunks, truths)
  std::vector<float> truth_best_;
};

}  // namespace

void anchor_assign(ConstView anchors, ConstView valid, ConstView truths, const AssignParams& params,
                   View assigned, View max_iou) {
  check_anchor_assign(anchors, valid, truths, assigned, max_iou);
  const int64_t n = assigned.numel();
  AnchorAssigner(anchors.as<float>(), valid ? valid.as<uint8_t>() : nullptr, n, truths.as<float>(),
                 truths.size(0), params, assigned.as<int64_t>(), max_iou.as<float>())
      .run();
}

void anchor_ignore(ConstView anchors, ConstView ignored, ConstView truths,
                   const IgnoreParams& params, View valid) {
  check_anchor_ignore(anchors, ignored, truths, valid);
  const auto finite_boxes = [](ConstView all) {
    std::vector<geometry::BoxOf<float>> boxes;
    for (int64_t i = 0; i < all.size(0); ++i) {
      const auto box = geometry::load_box(all.as<float>() + i * 4);
      if (geometry::has_finite_area(box)) boxes.push_back(box);
    }
    return boxes;
  };
  const auto regions = finite_boxes(ignored);
  if (regions.empty() || finite_boxes(truths).empty()) return;
  const float* rows = anchors.as<float>();
  auto* flags = valid.as<uint8_t>();
  parallel_for(valid.numel(), kAssignChunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto anchor = geometry::load_box(rows + i * 4);
      for (const auto& region : regions) {
        if (geometry::lies_in(anchor, region, params.of_anchors,
                              static_cast<float>(params.threshold))) {
          flags[i] = 0;
        }
      }
    }
  });
}

}  // namespace kestrel::cpu
#endif
