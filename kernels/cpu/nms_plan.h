#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <kestrel/kernels/common/box_geometry.h>

/// What non-maximum suppression on the CPU works out before it sweeps: the order of the boxes and
/// which cells of a grid each one has to look at.
namespace kestrel::cpu {

constexpr size_t kNmsLanes = 16;

/// Boxes as arrays of coordinates.
struct NmsBoxes {
  std::vector<float> x1, y1, x2, y2, area;

  explicit NmsBoxes(size_t n) : x1(n), y1(n), x2(n), y2(n), area(n) {}
  void set(size_t i, const geometry::BoxOf<float>& b, float its_area) {
    x1[i] = b.x1;
    y1[i] = b.y1;
    x2[i] = b.x2;
    y2[i] = b.y2;
    area[i] = its_area;
  }
};

/// The kept boxes of one class with their centre in one cell: a range of the arrays.
struct NmsCell {
  size_t first = 0;
  size_t count = 0;
};

struct NmsCandidate {
  int64_t index;  ///< In the input.
  geometry::BoxOf<float> box;
  float area;
  bool has_area;                ///< Positive and finite; else it takes no part.
  int64_t grid;                 ///< First cell of its class.
  int64_t home;                 ///< The cell of its centre.
  int64_t row_first, row_last;  ///< The cells where an overlapping box may be.
  int64_t column_first, column_last;
};

struct NmsPlan {
  float threshold;
  int64_t side;                          ///< Cells per row and column of a class's grid.
  std::vector<NmsCandidate> candidates;  ///< By descending score.
  std::vector<NmsCell> cells;
  NmsBoxes kept{0};
};

NmsPlan plan_nms(const float* boxes, const float* scores, const int64_t* classes, int64_t n,
                 double iou_threshold);

}  // namespace kestrel::cpu
