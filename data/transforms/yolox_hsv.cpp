#include <algorithm>
#include <cmath>

#include <kestrel/data/transforms/yolox_hsv.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, YoloxHsv, YoloxHsvOptions> kYoloxHsv{
    "YOLOXHSVRandomAug", "adds to hue, saturation and value by chance"};

constexpr int kHues = 180, kHsvShift = 12, kHsvHalf = 1 << (kHsvShift - 1);

// Reciprocals in fixed point, by the divisor.
struct HsvTables {
  std::array<int, 256> saturation{}, hue{};

  HsvTables() {
    for (size_t i = 1; i < 256; ++i) {
      const auto divisor = static_cast<double>(i);
      saturation[i] = static_cast<int>(std::nearbyint((255 << kHsvShift) / divisor));
      hue[i] = static_cast<int>(std::nearbyint((kHues << kHsvShift) / (6 * divisor)));
    }
  }
};

std::array<int, 3> hsv_of(const uint8_t* rgb) {
  static const HsvTables tables;
  const int r = rgb[0], g = rgb[1], b = rgb[2];
  const int value = std::max({r, g, b}), spread = value - std::min({r, g, b});
  int sixth = r - g + 4 * spread;
  if (value == r) {
    sixth = g - b;
  } else if (value == g) {
    sixth = b - r + 2 * spread;
  }
  const int hue = (sixth * tables.hue[static_cast<size_t>(spread)] + kHsvHalf) >> kHsvShift;
  const int saturation =
      (spread * tables.saturation[static_cast<size_t>(value)] + kHsvHalf) >> kHsvShift;
  return {hue < 0 ? hue + kHues : hue, saturation, value};
}

void write_rgb(const std::array<int, 3>& hsv, uint8_t* rgb) {
  const float value = static_cast<float>(hsv[2]) / 255, share = static_cast<float>(hsv[1]) / 255;
  const float sixths = static_cast<float>(hsv[0]) * (6.0F / kHues);
  const int sector = static_cast<int>(sixths) % 6;
  const float rest = sixths - std::floor(sixths);
  const float levels[4] = {value, value * (1 - share), value * (1 - share * rest),
                           value * (1 - share * (1 - rest))};
  constexpr int kLevels[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3}, {1, 2, 0}, {3, 1, 0}, {0, 1, 2}};
  for (int c = 0; c < 3; ++c) {
    rgb[c] = static_cast<uint8_t>(std::nearbyint(levels[kLevels[sector][c]] * 255));
  }
}

}  // namespace

YoloxHsv::YoloxHsv(YoloxHsvOptions options) : options_(options) {
  for (const int64_t delta :
       {options_.hue_delta, options_.saturation_delta, options_.value_delta}) {
    if (delta < 0 || delta > 255) {
      fail<UsageError>("[yolox_hsv_random_aug] deltas must be 0..255, got ", delta);
    }
  }
}

YoloxHsv::Gains YoloxHsv::draw(Philox& random) const {
  const std::array<int64_t, 3> deltas{options_.hue_delta, options_.saturation_delta,
                                      options_.value_delta};
  std::array<double, 3> gains{};
  for (size_t c = 0; c < 3; ++c) gains[c] = random.uniform(-1, 1) * static_cast<double>(deltas[c]);
  Gains chosen{};
  for (size_t c = 0; c < 3; ++c) {
    if (random.integer(0, 2) == 1) chosen[c] = static_cast<int>(gains[c]);
  }
  return chosen;
}

void YoloxHsv::change(Image& image, const Gains& gains) {
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    uint8_t* p = image.pixels.data() + i;
    std::array<int, 3> hsv = hsv_of(p);
    hsv[0] = ((hsv[0] + gains[0]) % kHues + kHues) % kHues;
    hsv[1] = std::clamp(hsv[1] + gains[1], 0, 255);
    hsv[2] = std::clamp(hsv[2] + gains[2], 0, 255);
    write_rgb(hsv, p);
  }
}

bool YoloxHsv::apply(Sample& sample, Philox& random) const {
  change(sample.bytes(), draw(random));
  return true;
}

}  // namespace kestrel
