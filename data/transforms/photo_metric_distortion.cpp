#include <algorithm>
#include <cmath>

#include <kestrel/data/transforms/photo_metric_distortion.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, PhotoMetricDistortion, PhotoMetricDistortionOptions> kPhotoMetric{
    "PhotoMetricDistortion", "changes brightness, contrast, hue and saturation by chance"};

// Scales saturation and turns the hue (degrees) of a colour, as through OpenCV's float HSV.
void change_color(float* rgb, float saturation, float hue) {
  const float value = std::max({rgb[0], rgb[1], rgb[2]});
  const float spread = value - std::min({rgb[0], rgb[1], rgb[2]});
  if (spread <= 0) return;  // grey has no hue and stays grey
  float h = 0;
  if (value == rgb[0]) {
    h = 60 * (rgb[1] - rgb[2]) / spread;
  } else if (value == rgb[1]) {
    h = 120 + 60 * (rgb[2] - rgb[0]) / spread;
  } else {
    h = 240 + 60 * (rgb[0] - rgb[1]) / spread;
  }
  h += hue;
  if (h < 0) h += 360;
  if (h >= 360) h -= 360;
  const float chroma = spread * saturation;
  for (int c = 0; c < 3; ++c) {
    // value - chroma * max(0, min(k, 4 - k, 1)) with k = (n + h / 60) mod 6, n = 5, 3, 1.
    const float k = std::fmod(static_cast<float>(5 - 2 * c) + h / 60, 6.0F);
    rgb[c] = value - chroma * std::clamp(std::min(k, 4 - k), 0.0F, 1.0F);
  }
}

}  // namespace

PhotoMetricDistortion::PhotoMetricDistortion(PhotoMetricDistortionOptions options)
    : options_(options) {
  for (const auto& [low, high] : {options_.contrast_range, options_.saturation_range}) {
    if (!(low >= 0 && high >= low)) {
      fail<UsageError>("[photo_metric_distortion] ranges must be 0 <= low <= high, got (", low,
                       ", ", high, ")");
    }
  }
  if (!(options_.hue_delta >= 0 && options_.hue_delta <= 180)) {
    fail<UsageError>("[photo_metric_distortion] hue_delta must be 0..180, got ",
                     options_.hue_delta);
  }
}

bool PhotoMetricDistortion::apply(Sample& sample, Philox& random) const {
  if (sample.padded()) fail<UsageError>("[photo_metric_distortion] must come before Pad");
  const auto coin = [&] { return random.integer(0, 2) == 1; };
  const auto between = [&](double low, double high) {
    return static_cast<float>(random.uniform(low, high));
  };
  const auto [contrast_low, contrast_high] = options_.contrast_range;
  const auto [saturation_low, saturation_high] = options_.saturation_range;
  float brightness = 0, early_contrast = 1, saturation = 1, hue = 0, late_contrast = 1;
  std::vector<int64_t> order = {0, 1, 2};
  if (coin()) brightness = between(-options_.brightness_delta, options_.brightness_delta);
  const bool early = coin();
  if (early && coin()) early_contrast = between(contrast_low, contrast_high);
  if (coin()) saturation = between(saturation_low, saturation_high);
  if (coin()) hue = between(-options_.hue_delta, options_.hue_delta);
  if (!early && coin()) late_contrast = between(contrast_low, contrast_high);
  if (coin()) order = random.permutation(3);

  FloatImage& image = sample.floats();
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    float* p = image.pixels.data() + i;
    for (int c = 0; c < 3; ++c) p[c] = (p[c] + brightness) * early_contrast;
    if (saturation != 1 || hue != 0) change_color(p, saturation, hue);
    const float changed[3] = {p[0], p[1], p[2]};
    for (size_t c = 0; c < 3; ++c) p[c] = changed[order[c]] * late_contrast;
  }
  return true;
}

}  // namespace kestrel
