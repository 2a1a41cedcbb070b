// no-fmad: IoUs are compared with thresholds and with each other, and ties are ties.
#include <kestrel/kernels/anchor_assign.h>

#include <limits>

#include <kestrel/kernels/common/anchor_assign_checks.h>
#include <kestrel/kernels/cuda/box_rows.h>
#include <kestrel/kernels/cuda/fill.h>
#include <kestrel/kernels/cuda/reduce.h>
#include <kestrel/kernels/cuda/scratch.h>

// A thread per anchor goes through the ground truths, which its block stages in shared memory. A
// first pass finds the best ground truth of each anchor and the best IoU of each ground truth; a
// second one computes the IoUs again and sees which anchors have them.

namespace kestrel::gpu {
namespace {

constexpr int kTile = 128;
constexpr unsigned long long kNone = ~0ull;

/// Ground truths in shared memory.
struct Tile {
  geometry::BoxOf<float> box[kTile];
  float area[kTile];
  float best[kTile];  ///< IoU with any anchor; in the second pass.
  bool usable[kTile];
};

struct Anchor {
  geometry::BoxOf<float> box;
  float area;
  bool valid;
};

/// What a kernel needs to know of all anchors and ground truths.
struct Boxes {
  int64_t n;
  const float* anchors;
  const uint8_t* valid;
  int64_t g;
  const float* truths;
  bool packed;  ///< Anchors and ground truths.
};

__device__ int64_t own_anchor() {
  return int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
}

/// Anchors that are not valid overlap nothing, like those beyond the end.
__device__ Anchor load_anchor(const Boxes& boxes, int64_t i) {
  constexpr float kHuge = std::numeric_limits<float>::max();
  if (i < boxes.n && (!boxes.valid || boxes.valid[i] != 0)) {
    const auto box =
        boxes.packed ? load_row<true>(boxes.anchors, i) : load_row<false>(boxes.anchors, i);
    if (geometry::has_finite_area(box)) return {box, geometry::area(box), true};
  }
  return {{kHuge, kHuge, -kHuge, -kHuge}, 0, false};
}

__device__ float iou(const Anchor& anchor, const Tile& tile, int t) {
  const float inter = geometry::intersection(tile.box[t], anchor.box);
  if (!(inter > 0)) return 0;
  return inter / geometry::larger(tile.area[t] + anchor.area - inter, 1e-6f);
}

/// Calls f(truth, place in the tile) for every usable ground truth, in order; `truth_best` may be
/// absent. Every thread of the block must call it, and all call f for the same ones.
template <class F>
__device__ void visit_truths(const Boxes& boxes, const unsigned* truth_best, Tile& tile, F f) {
  for (int64_t first = 0; first < boxes.g; first += kTile) {
    const int size = static_cast<int>(boxes.g - first < kTile ? boxes.g - first : kTile);
    __syncthreads();
    for (int t = static_cast<int>(threadIdx.x); t < size; t += static_cast<int>(blockDim.x)) {
      const auto box = boxes.packed ? load_row<true>(boxes.truths, first + t)
                                    : load_row<false>(boxes.truths, first + t);
      tile.box[t] = box;
      tile.area[t] = geometry::area(box);
      tile.usable[t] = geometry::has_finite_area(box);
      if (truth_best) tile.best[t] = __uint_as_float(truth_best[first + t]);
    }
    __syncthreads();
    for (int t = 0; t < size; ++t) {
      if (tile.usable[t]) f(first + t, t);
    }
  }
}

/// The ground truth that an anchor overlaps most, from 1; the first of those that tie. 0 where
/// there is none.
struct BestTruth {
  int64_t number = 0;
  float iou = 0;

  __device__ void update(int64_t truth, float its_iou) {
    if (number == 0 || its_iou > iou) number = truth + 1;
    if (its_iou > iou) iou = its_iou;
  }
};

struct Thresholds {
  float positive, negative_lower, negative_upper;
};

/// Assigns by threshold. The bits of an IoU, which is not negative, are ordered as it is: the best
/// one of each ground truth is a maximum of integers, where truth_best is not absent.
__global__ void threshold_kernel(Boxes boxes, Thresholds thresholds, int64_t* assigned,
                                 float* max_iou, unsigned* truth_best) {
  SHARED(Tile, tile, [1]);
  const int64_t i = own_anchor();
  const Anchor anchor = load_anchor(boxes, i);
  BestTruth best;
  visit_truths(boxes, nullptr, tile[0], [&](int64_t truth, int t) {
    const float own = iou(anchor, tile[0], t);
    best.update(truth, own);
    if (truth_best && __any_sync(kFullWarp, own > 0)) {
      const float most = warp_reduce<Max>(own);
      if (threadIdx.x % kWarp == 0) atomicMax(&truth_best[truth], __float_as_uint(most));
    }
  });
  int64_t number = best.number == 0 ? 0 : -1;
  if (best.iou >= thresholds.negative_lower && best.iou < thresholds.negative_upper) number = 0;
  if (best.number != 0 && best.iou >= thresholds.positive) number = best.number;
  if (i < boxes.n) {
    max_iou[i] = best.iou;
    assigned[i] = anchor.valid ? number : -1;
  }
}

/// Whether an anchor has the best IoU of a ground truth, which must reach a minimum.
__device__ bool is_among_best(const Anchor& anchor, float own, float best, float minimum) {
  return anchor.valid && own == best && best >= minimum;
}

/// LowQuality::GroundTruthTakes with all anchors that tie: the last ground truth has it.
__global__ void take_all_kernel(Boxes boxes, float minimum, const unsigned* truth_best,
                                int64_t* assigned) {
  SHARED(Tile, tile, [1]);
  const int64_t i = own_anchor();
  const Anchor anchor = load_anchor(boxes, i);
  int64_t number = 0;
  visit_truths(boxes, truth_best, tile[0], [&](int64_t truth, int t) {
    const float own = iou(anchor, tile[0], t);
    if (is_among_best(anchor, own, tile[0].best[t], minimum)) number = truth + 1;
  });
  if (number != 0) assigned[i] = number;
}

/// LowQuality::AnchorChooses.
__global__ void choose_kernel(Boxes boxes, const unsigned* truth_best, int64_t* assigned) {
  SHARED(Tile, tile, [1]);
  const int64_t i = own_anchor();
  const Anchor anchor = load_anchor(boxes, i);
  BestTruth best;
  bool chosen = false;
  visit_truths(boxes, truth_best, tile[0], [&](int64_t truth, int t) {
    const float own = iou(anchor, tile[0], t);
    best.update(truth, own);
    chosen = chosen || is_among_best(anchor, own, tile[0].best[t], 0);
  });
  if (chosen) assigned[i] = best.number;
}

/// The first of the anchors with the best IoU of each ground truth; kNone where it takes none.
__global__ void first_kernel(Boxes boxes, float minimum, const unsigned* truth_best,
                             unsigned long long* first) {
  SHARED(Tile, tile, [1]);
  const int64_t i = own_anchor();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const Anchor anchor = load_anchor(boxes, i);
  visit_truths(boxes, truth_best, tile[0], [&](int64_t truth, int t) {
    const float own = iou(anchor, tile[0], t);
    const bool match = is_among_best(anchor, own, tile[0].best[t], minimum);
    const unsigned votes = __ballot_sync(kFullWarp, match);
    if (lane == __ffs(static_cast<int>(votes)) - 1) {
      atomicMin(&first[truth], static_cast<unsigned long long>(i));
    }
  });
}

/// LowQuality::GroundTruthTakes with the first anchor: ground truths may share it, and the last one
/// has it. First they clear it, then the largest number wins.
__global__ void clear_first_kernel(int64_t g, const unsigned long long* first,
                                   unsigned long long* assigned) {
  for (const int64_t t : grid_stride(g)) {
    if (first[t] != kNone) atomicExch(&assigned[first[t]], 0ull);
  }
}
__global__ void take_first_kernel(int64_t g, const unsigned long long* first,
                                  unsigned long long* assigned) {
  for (const int64_t t : grid_stride(g)) {
    if (first[t] != kNone) {
      atomicMax(&assigned[first[t]], static_cast<unsigned long long>(t) + 1);
    }
  }
}

/// A thread per anchor goes through the ignored boxes; whether there is a ground truth it sees from
/// the first ones, which are real where any is.
__global__ void ignore_kernel(Boxes boxes, int64_t regions, const float* ignored, float threshold,
                              bool of_anchors, uint8_t* valid) {
  const int64_t i = own_anchor();
  if (i >= boxes.n) return;
  bool any = false;
  for (int64_t t = 0; t < boxes.g && !any; ++t) {
    any = geometry::has_finite_area(load_row<false>(boxes.truths, t));
  }
  if (!any) return;
  const auto anchor = load_row<false>(boxes.anchors, i);
  bool inside = false;
  for (int64_t r = 0; r < regions; ++r) {
    const auto region = load_row<false>(ignored, r);
    if (!geometry::has_finite_area(region)) continue;
    inside = inside || geometry::lies_in(anchor, region, of_anchors, threshold);
  }
  if (inside) valid[i] = 0;
}

/// Starts a kernel with a thread per anchor.
template <class... Parameters, class... Args>
void launch_anchors(void (*kernel)(Boxes, Parameters...), const Boxes& boxes, Stream stream,
                    Args&&... args) {
  const int threads = block_size();
  const dim3 blocks(static_cast<unsigned>((boxes.n + threads - 1) / threads));
  launch(kernel, {blocks, dim3(static_cast<unsigned>(threads)), 0, stream}, boxes,
         std::forward<Args>(args)...);
}

void take_first(const Boxes& boxes, float minimum, const unsigned* truth_best, int64_t* assigned,
                Stream stream) {
  const Scratch<unsigned long long> first(boxes.g, stream);
  fill(first.get(), boxes.g, kNone, stream);
  launch_anchors(first_kernel, boxes, stream, minimum, truth_best, first.get());
  auto* numbers = reinterpret_cast<unsigned long long*>(assigned);
  launch_1d(clear_first_kernel, boxes.g, stream, first.get(), numbers);
  launch_1d(take_first_kernel, boxes.g, stream, first.get(), numbers);
}

}  // namespace

void anchor_assign(ConstView anchors, ConstView valid, ConstView truths, const AssignParams& params,
                   View assigned, View max_iou, Stream stream) {
  check_anchor_assign(anchors, valid, truths, assigned, max_iou);
  const Boxes boxes{assigned.numel(),
                    anchors.as<float>(),
                    valid ? valid.as<uint8_t>() : nullptr,
                    truths.size(0),
                    truths.as<float>(),
                    is_packed(anchors.as<float>(), 4) && is_packed(truths.as<float>(), 4)};
  if (boxes.n == 0) return;
  const Thresholds thresholds{static_cast<float>(params.pos_iou_thr),
                              static_cast<float>(params.neg_iou_lower),
                              static_cast<float>(params.neg_iou_upper)};
  int64_t* numbers = assigned.as<int64_t>();
  if (params.low_quality == LowQuality::None || boxes.g == 0) {
    launch_anchors(threshold_kernel, boxes, stream, thresholds, numbers, max_iou.as<float>(),
                   nullptr);
    return;
  }
  const Scratch<unsigned> truth_best(boxes.g, stream);
  fill(truth_best.get(), boxes.g, 0u, stream);
  launch_anchors(threshold_kernel, boxes, stream, thresholds, numbers, max_iou.as<float>(),
                 truth_best.get());
  const auto minimum = static_cast<float>(params.min_pos_iou);
  if (params.low_quality == LowQuality::AnchorChooses) {
    launch_anchors(choose_kernel, boxes, stream, truth_best.get(), numbers);
  } else if (params.gt_max_assign_all) {
    launch_anchors(take_all_kernel, boxes, stream, minimum, truth_best.get(), numbers);
  } else {
    take_first(boxes, minimum, truth_best.get(), numbers, stream);
  }
}

void anchor_ignore(ConstView anchors, ConstView ignored, ConstView truths,
                   const IgnoreParams& params, View valid, Stream stream) {
  check_anchor_ignore(anchors, ignored, truths, valid);
  const Boxes boxes{valid.numel(),  anchors.as<float>(), nullptr,
                    truths.size(0), truths.as<float>(),  false};
  if (boxes.n == 0 || boxes.g == 0 || ignored.size(0) == 0) return;
  launch_anchors(ignore_kernel, boxes, stream, ignored.size(0), ignored.as<float>(),
                 static_cast<float>(params.threshold), params.of_anchors, valid.as<uint8_t>());
}

}  // namespace kestrel::gpu
