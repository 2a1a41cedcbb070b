#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kestrel {

/// A binary mask as COCO stores it: lengths of runs of zeros and ones in turn, zeros first, pixels
/// in column-major order. The runs add up to height * width, which is below 2^32.
struct RleMask {
  int64_t height = 0;
  int64_t width = 0;
  std::vector<uint32_t> counts;

  friend bool operator==(const RleMask&, const RleMask&) = default;
};

/// Checks that the runs add up to height * width; throws DataError otherwise.
void check_mask(const RleMask& mask);

/// The mask with the given run lengths (COCO's uncompressed form). Throws DataError when a run is
/// negative or they do not add up to height * width.
RleMask mask_from_counts(std::span<const int64_t> counts, int64_t height, int64_t width);

/// The mask of COCO's compressed form: each run less the run two before it, as groups of five bits
/// in the characters '0' to 'o'. Throws DataError for other characters, a text that ends inside a
/// number and runs that do not add up to height * width.
RleMask mask_from_string(std::string_view text, int64_t height, int64_t width);

/// COCO's compressed form of a mask.
std::string mask_to_string(const RleMask& mask);

/// The pixels inside a polygon x1, y1, x2, y2, ..., rounded as the COCO authors' code does: the
/// boundary is drawn on a grid five times finer and sampled at pixel centres. Throws DataError for
/// an odd count, fewer than three points, and coordinates that are not finite or beyond +-1e6.
RleMask mask_from_polygon(std::span<const double> xy, int64_t height, int64_t width);

/// The union of the masks of several polygons; DataError when there are none.
RleMask mask_from_polygons(std::span<const std::vector<double>> polygons, int64_t height,
                           int64_t width);

/// The mask of height * width bytes in row-major order, zero or not.
RleMask mask_from_pixels(std::span<const uint8_t> pixels, int64_t height, int64_t width);

/// Height * width bytes in row-major order, 0 or 1.
std::vector<uint8_t> mask_to_pixels(const RleMask& mask);

/// How mask_merge combines masks.
enum class MaskMerge { kUnion, kIntersection };

/// Union or intersection of masks of one size; throws Error when there are none or sizes differ.
RleMask mask_merge(std::span<const RleMask> masks, MaskMerge how = MaskMerge::kUnion);

/// Number of ones.
int64_t mask_area(const RleMask& mask);

/// The smallest box x, y, w, h around the ones; zeros for an empty mask.
std::array<double, 4> mask_box(const RleMask& mask);

/// Intersection over union of a detected and an annotated mask of one size; where the annotation is
/// a crowd, intersection over the area of the detection. 0 when they do not touch.
double mask_iou(const RleMask& detection, const RleMask& truth, bool crowd = false);

/// Intersection over union of boxes x, y, w, h in the order of operations of the COCO authors'
/// code.
double coco_box_iou(const std::array<double, 4>& detection, const std::array<double, 4>& truth,
                    bool crowd = false);

}  // namespace kestrel
