#pragma once

#include <array>

#include <kestrel/data/transforms/transform.h>

namespace kestrel {

/// MMDetection's keys.
struct PhotoMetricDistortionOptions {
  double brightness_delta = 32;
  std::array<double, 2> contrast_range{0.5, 1.5};
  std::array<double, 2> saturation_range{0.5, 1.5};
  double hue_delta = 18;

  template <class V>
  void visit(V& v) {
    v("brightness_delta", brightness_delta, "most that is added, in grey levels");
    v("contrast_range", contrast_range, "factor of all channels");
    v("saturation_range", saturation_range, "factor of the saturation");
    v("hue_delta", hue_delta, "most that the hue is turned, in degrees");
  }
};

/// SSD's random changes of brightness, contrast, saturation, hue and order of channels, each every
/// other time. The pixels become floats and are not clipped; comes before Normalize.
class PhotoMetricDistortion : public Transform {
 public:
  explicit PhotoMetricDistortion(PhotoMetricDistortionOptions options);
  bool apply(Sample& sample, Philox& random) const override;

 private:
  PhotoMetricDistortionOptions options_;
};

}  // namespace kestrel
