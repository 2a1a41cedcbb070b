#include <kestrel/kernels/cpu/nms_plan.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <kestrel/kernels/common/score_order.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kBoxesPerCell = 16;
constexpr int64_t kMaxSide = 256;

/// Cells along one axis, over the centres from `low` to `high`.
struct Axis {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  double per_unit = 0;
  int64_t side = 1;

  void include(double centre) {
    low = std::min(low, centre);
    high = std::max(high, centre);
  }
  void divide(int64_t cells) {
    side = cells;
    per_unit = high > low ? static_cast<double>(cells) / (high - low) : 0;
  }
  int64_t cell(double centre) const {
    const double position = (centre - low) * per_unit;
    if (!(position > 0)) return 0;
    return position >= static_cast<double>(side) ? side - 1 : static_cast<int64_t>(position);
  }
};

double centre(float a, float b) {
  return 0.5 * (static_cast<double>(a) + static_cast<double>(b));
}

/// How many of its own widths away the centre of an overlapping box can be. A little more than in
/// exact arithmetic, for the rounding of the test itself.
double reach_of(double threshold) {
  const double t = std::min(threshold, 1.0) * 0.999;
  return t > 0 ? std::max(1 - t, (1 / t - 1) / 2) : std::numeric_limits<double>::infinity();
}

/// Numbers the classes that occur, in ascending order.
std::vector<int64_t> class_numbers(const int64_t* classes, int64_t n, int64_t& count) {
  std::vector<int64_t> numbers(static_cast<size_t>(n), 0);
  count = 1;
  if (!classes) return numbers;
  std::vector<int64_t> found(classes, classes + n);
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  count = static_cast<int64_t>(found.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = std::lower_bound(found.begin(), found.end(), classes[i]) - found.begin();
  }
  return numbers;
}

}  // namespace

NmsPlan plan_nms(const float* boxes, const float* scores, const int64_t* classes, int64_t n,
                 double iou_threshold) {
  std::vector<uint64_t> order(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = descending_key(scores[i], i);
  std::sort(order.begin(), order.end());

  NmsPlan plan;
  plan.threshold = static_cast<float>(iou_threshold);
  plan.candidates.resize(static_cast<size_t>(n));
  Axis x;
  Axis y;
  for (size_t k = 0; k < order.size(); ++k) {
    NmsCandidate& c = plan.candidates[k];
    c.index = index_of_key(order[k]);
    c.box = geometry::load_box(boxes + c.index * 4);
    c.area = geometry::area(c.box);
    c.has_area = c.box.x2 > c.box.x1 && c.box.y2 > c.box.y1 && c.area > 0 && std::isfinite(c.area);
    if (!c.has_area) continue;
    x.include(centre(c.box.x1, c.box.x2));
    y.include(centre(c.box.y1, c.box.y2));
  }

  int64_t class_count = 1;
  const std::vector<int64_t> numbers = class_numbers(classes, n, class_count);
  const double per_class = static_cast<double>(n) / static_cast<double>(class_count);
  plan.side =
      std::clamp<int64_t>(static_cast<int64_t>(std::sqrt(per_class / kBoxesPerCell)), 1, kMaxSide);
  x.divide(plan.side);
  y.divide(plan.side);
  plan.cells.resize(static_cast<size_t>(class_count * plan.side * plan.side));
  const double reach = reach_of(iou_threshold);
  for (NmsCandidate& c : plan.candidates) {
    if (!c.has_area) continue;
    const double cx = centre(c.box.x1, c.box.x2);
    const double cy = centre(c.box.y1, c.box.y2);
    const double rx = reach * (static_cast<double>(c.box.x2) - static_cast<double>(c.box.x1));
    const double ry = reach * (static_cast<double>(c.box.y2) - static_cast<double>(c.box.y1));
    c.grid = numbers[static_cast<size_t>(c.index)] * plan.side * plan.side;
    c.home = c.grid + y.cell(cy) * plan.side + x.cell(cx);
    c.column_first = x.cell(cx - rx);
    c.column_last = x.cell(cx + rx);
    c.row_first = y.cell(cy - ry);
    c.row_last = y.cell(cy + ry);
    ++plan.cells[static_cast<size_t>(c.home)].count;
  }
  size_t total = 0;
  for (NmsCell& cell : plan.cells) {
    cell.first = total;
    total += (cell.count + kNmsLanes - 1) / kNmsLanes * kNmsLanes;
    cell.count = 0;
  }
  plan.kept = NmsBoxes(total);
  return plan;
}

}  // namespace kestrel::cpu
