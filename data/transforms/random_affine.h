#pragma once

#include <array>

#include <kestrel/data/transforms/transform.h>
#include <kestrel/data/transforms/warp.h>

namespace kestrel {

/// Which boxes are left after a transform that cuts them: MMDetection's filter.
struct BoxFilterOptions {
  bool skip_filter = true;
  double min_bbox_size = 2;
  double min_area_ratio = 0.2;
  double max_aspect_ratio = 20;

  template <class V>
  void visit(V& v) {
    v("skip_filter", skip_filter, "boxes are kept however little is left of them");
    v("min_bbox_size", min_bbox_size, "sides in pixels that a box has to exceed");
    v("min_area_ratio", min_area_ratio, "the share of its area that has to be left");
    v("max_aspect_ratio", max_aspect_ratio, "of its sides, that it must stay below");
  }
  /// Whether enough of `before` is left in `after`.
  bool keeps(const Box& before, const Box& after) const;
};

/// Whether a box overlaps the picture.
bool reaches_into(const Box& box, int64_t height, int64_t width);

/// MMDetection's keys.
struct RandomAffineOptions {
  double max_rotate_degree = 10;
  double max_translate_ratio = 0.1;
  std::array<double, 2> scaling_ratio_range{0.5, 1.5};
  double max_shear_degree = 2;
  std::array<int64_t, 2> border{0, 0};
  std::array<double, 3> border_val{114, 114, 114};
  bool bbox_clip_border = true;
  BoxFilterOptions filter{};

  template <class V>
  void visit(V& v) {
    v("max_rotate_degree", max_rotate_degree, "most that the image is turned either way");
    v("max_translate_ratio", max_translate_ratio, "most that it is moved, as a share of its sides");
    v("scaling_ratio_range", scaling_ratio_range, "smallest and largest factor of its size");
    v("max_shear_degree", max_shear_degree, "most that it is sheared along each side");
    v("border", border, "pixels added above and below, and at both sides; negative: cut off");
    v("border_val", border_val, "colour of what is added, RGB");
    v("bbox_clip_border", bbox_clip_border, "clip boxes to the image");
    filter.visit(v);
  }
};

/// YOLOX's: scales, turns, shears and moves the image about its top left corner. Boxes become the
/// boxes around what they become; those that leave the image are dropped. Images with masks are a
/// UsageError.
class RandomAffine : public Transform {
 public:
  struct Draw {
    double degrees = 0, scale = 1, shear_x = 0, shear_y = 0;  ///< Shears in degrees.
    double move_x = 0, move_y = 0;                            ///< Shares of the result's sides.
  };

  explicit RandomAffine(RandomAffineOptions options);
  bool apply(Sample& sample, Philox& random) const override;

  Draw draw(Philox& random) const;
  void change(Sample& sample, const Draw& draw) const;

 private:
  RandomAffineOptions options_;
};

}  // namespace kestrel
