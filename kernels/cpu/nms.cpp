#include <kestrel/kernels/nms.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kestrel/kernels/cpu/nms.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <kestrel/kernels/common/box_geometry.h>
#include <kestrel/kernels/common/nms_checks.h>
#include <kestrel/kernels/cpu/nms_plan.h>

// Kept boxes lie in a grid by their centres. For an IoU above t, the sides of two boxes must be
// within a factor of t of each other and overlap by more than t of the longer one, so that the
// centres are at most max(1 - t, (1 / t - 1) / 2) widths (and heights) apart: few cells need to be
// looked at. The arithmetic is compiled without contraction, so that every machine decides alike.

HWY_BEFORE_NAMESPACE();
namespace kestrel::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Whether a box overlaps one of `count` kept boxes by more than the threshold. The arrays are
/// readable, as boxes without area, up to the next multiple of kNmsLanes.
bool overlaps_any(const NmsBoxes& kept, size_t first, size_t count, const geometry::BoxOf<float>& b,
                  float area, float threshold) {
  const hn::CappedTag<float, kNmsLanes> d;
  const auto x1 = hn::Set(d, b.x1);
  const auto y1 = hn::Set(d, b.y1);
  const auto x2 = hn::Set(d, b.x2);
  const auto y2 = hn::Set(d, b.y2);
  const auto own = hn::Set(d, area);
  const auto t = hn::Set(d, threshold);
  const auto zero = hn::Zero(d);
  for (size_t i = first; i < first + count; i += hn::Lanes(d)) {
    const auto w =
        hn::Sub(hn::Min(x2, hn::LoadU(d, &kept.x2[i])), hn::Max(x1, hn::LoadU(d, &kept.x1[i])));
    const auto h =
        hn::Sub(hn::Min(y2, hn::LoadU(d, &kept.y2[i])), hn::Max(y1, hn::LoadU(d, &kept.y1[i])));
    const auto inter = hn::Mul(hn::Max(w, zero), hn::Max(h, zero));
    const auto both = hn::Sub(hn::Add(own, hn::LoadU(d, &kept.area[i])), inter);
    if (!hn::AllFalse(d, hn::Gt(inter, hn::Mul(t, both)))) return true;
  }
  return false;
}

int64_t sweep(NmsPlan& plan, int64_t max_kept, int64_t* out) {
  int64_t count = 0;
  for (const NmsCandidate& c : plan.candidates) {
    if (count == max_kept) break;
    if (c.has_area) {
      bool suppressed = false;
      for (int64_t row = c.row_first; row <= c.row_last && !suppressed; ++row) {
        for (int64_t column = c.column_first; column <= c.column_last && !suppressed; ++column) {
          const NmsCell& cell = plan.cells[c.grid + row * plan.side + column];
          suppressed =
              overlaps_any(plan.kept, cell.first, cell.count, c.box, c.area, plan.threshold);
        }
      }
      if (suppressed) continue;
      NmsCell& home = plan.cells[c.home];
      plan.kept.set(home.first + home.count++, c.box, c.area);
    }
    out[count++] = c.index;
  }
  return count;
}

}  // namespace kestrel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kestrel::cpu {

HWY_EXPORT(sweep);

int64_t nms(ConstView boxes, ConstView scores, ConstView classes, const NmsParams& params,
            View kept) {
  const int64_t n = scores.numel();
  check_nms(boxes, scores, classes, params, kept);
  int64_t* const out = kept.as<int64_t>();
  if (n == 0) return 0;
  NmsPlan plan = plan_nms(boxes.as<float>(), scores.as<float>(),
                          classes ? classes.as<int64_t>() : nullptr, n, params.iou_threshold);
  return HWY_DYNAMIC_DISPATCH(sweep)(plan, params.max_kept, out);
}

}  // namespace kestrel::cpu
#endif
