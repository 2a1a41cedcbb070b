#pragma once

#include <array>
#include <vector>

#include <kestrel/data/transforms/random_affine.h>

namespace kestrel {

/// MMDetection's keys.
struct MosaicOptions {
  std::array<int64_t, 2> img_scale{640, 640};
  std::array<double, 2> center_ratio_range{0.5, 1.5};
  double min_bbox_size = 0;
  bool bbox_clip_border = true;
  bool skip_filter = true;
  double pad_val = 114;
  double prob = 1;

  template <class V>
  void visit(V& v) {
    v("img_scale", img_scale, "height, width of each of the four; the result has twice as much");
    v("center_ratio_range", center_ratio_range, "where they meet, in shares of img_scale");
    v("min_bbox_size", min_bbox_size, "sides in pixels that a box has to exceed");
    v("bbox_clip_border", bbox_clip_border, "clip boxes to the image");
    v("skip_filter", skip_filter, "keep boxes whatever their size");
    v("pad_val", pad_val, "grey of what is added");
    v("prob", prob, "how often it is done");
  }
};

/// Puts the image and three others around a point, each scaled to fit img_scale, the corner that is
/// next to the point on it. Boxes that leave the result are dropped. Images with masks are a
/// UsageError, as is a data set that has no other images to mix with.
class Mosaic : public Transform {
 public:
  struct Draw {
    std::array<int64_t, 3> others{};  ///< Top right, bottom left, bottom right.
    int64_t center_x = 0, center_y = 0;
  };

  explicit Mosaic(MosaicOptions options);
  bool apply(Sample& sample, Philox& random) const override;

  Draw draw(int64_t images, Philox& random) const;
  void change(Sample& sample, std::vector<Sample> others, const Draw& draw) const;

 private:
  MosaicOptions options_;
};

}  // namespace kestrel
