#pragma once

#include <array>

#include <kestrel/data/transforms/random_affine.h>

namespace kestrel {

/// MMDetection's keys.
struct MixUpOptions {
  std::array<int64_t, 2> img_scale{640, 640};
  std::array<double, 2> ratio_range{0.5, 1.5};
  double flip_ratio = 0.5;
  double pad_val = 114;
  int64_t max_iters = 15;
  bool bbox_clip_border = true;
  BoxFilterOptions filter{.min_bbox_size = 5};

  template <class V>
  void visit(V& v) {
    v("img_scale", img_scale, "height, width that the other image is fitted into");
    v("ratio_range", ratio_range, "smallest and largest factor of its size after that");
    v("flip_ratio", flip_ratio, "how often it is mirrored");
    v("pad_val", pad_val, "grey of what is added to it");
    v("max_iters", max_iters, "how often another image is drawn, until one has objects");
    v("bbox_clip_border", bbox_clip_border, "clip boxes to the image");
    filter.visit(v);
  }
};

/// YOLOX's: half of the image and half of another one, fitted into img_scale, scaled, mirrored by
/// chance and cut to the image's size. Its boxes are added. Where the other one has no objects,
/// nothing is done. Images with masks are a UsageError.
class MixUp : public Transform {
 public:
  struct Draw {
    double factor = 1;
    bool flip = false;
    double crop_x = 0, crop_y = 0;  ///< From [0, 1): of what is too much.
  };

  explicit MixUp(MixUpOptions options);
  bool apply(Sample& sample, Philox& random) const override;

  Draw draw(Philox& random) const;
  void change(Sample& sample, Sample other, const Draw& draw) const;

 private:
  MixUpOptions options_;
};

}  // namespace kestrel
