#pragma once

#include <array>
#include <utility>
#include <vector>

#include <kestrel/data/transforms/transform.h>

namespace kestrel {

enum class CropType { Absolute, AbsoluteRange, Relative, RelativeRange };
constexpr auto enum_names(CropType) {
  return std::array{std::pair{CropType::Absolute, "absolute"},
                    std::pair{CropType::AbsoluteRange, "absolute_range"},
                    std::pair{CropType::Relative, "relative"},
                    std::pair{CropType::RelativeRange, "relative_range"}};
}

/// MMDetection's keys.
struct RandomCropOptions {
  std::array<double, 2> crop_size{0, 0};
  CropType crop_type = CropType::Absolute;
  bool allow_negative_crop = false;
  bool bbox_clip_border = true;

  template <class V>
  void visit(V& v) {
    v("crop_size", crop_size, "height, width: pixels, or shares of the image");
    v("crop_type", crop_type, "what crop_size means");
    v("allow_negative_crop", allow_negative_crop, "also crops without an object");
    v("bbox_clip_border", bbox_clip_border, "clip boxes to the image");
  }
};

/// A window of a given or drawn size anywhere in the image; objects outside it are dropped.
class RandomCrop : public Transform {
 public:
  explicit RandomCrop(RandomCropOptions options);
  bool apply(Sample& sample, Philox& random) const override;

 private:
  RandomCropOptions options_;
};

/// MMDetection's keys.
struct MinIoURandomCropOptions {
  std::vector<double> min_ious{0.1, 0.3, 0.5, 0.7, 0.9};
  double min_crop_size = 0.3;
  bool bbox_clip_border = true;

  template <class V>
  void visit(V& v) {
    v("min_ious", min_ious, "smallest overlaps of a crop with objects, of which one is drawn");
    v("min_crop_size", min_crop_size, "smallest side as a share of the image's");
    v("bbox_clip_border", bbox_clip_border, "clip boxes to the image");
  }
};

/// SSD's crop: a random window whose IoU with every object is at least a drawn threshold; objects
/// with their centre in it are kept.
class MinIoURandomCrop : public Transform {
 public:
  explicit MinIoURandomCrop(MinIoURandomCropOptions options);
  bool apply(Sample& sample, Philox& random) const override;

 private:
  MinIoURandomCropOptions options_;
};

}  // namespace kestrel
