#include <algorithm>
#include <array>
#include <cmath>

#include <kestrel/data/transforms/color_transforms.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, ColorTransform, EnhanceOptions> kColorTransform{
    "ColorTransform", "makes colours paler or stronger by chance"};
const Registration<Transform, BrightnessTransform, EnhanceOptions> kBrightnessTransform{
    "BrightnessTransform", "makes the image darker or brighter by chance"};
const Registration<Transform, ContrastTransform, EnhanceOptions> kContrastTransform{
    "ContrastTransform", "changes the contrast by chance"};
const Registration<Transform, EqualizeTransform, EqualizeOptions> kEqualizeTransform{
    "EqualizeTransform", "spreads the values of each channel evenly by chance"};

// OpenCV's grey of an RGB pixel.
int grey_of(const uint8_t* p) {
  return (9798 * p[0] + 19235 * p[1] + 3735 * p[2] + (1 << 14)) >> 15;
}

// Every value v becomes v * factor + added, cut to a byte towards zero.
void scale_values(Image& image, float factor, float added) {
  std::array<uint8_t, 256> table;
  for (size_t v = 0; v < table.size(); ++v) {
    table[v] =
        static_cast<uint8_t>(std::clamp(static_cast<float>(v) * factor + added, 0.0F, 255.0F));
  }
  for (uint8_t& v : image.pixels) v = table[v];
}

}  // namespace

Enhance::Enhance(const char* name, EnhanceOptions options) : options_(options) {
  if (!(options_.level >= 0 && options_.level <= 10) ||
      !(options_.prob >= 0 && options_.prob <= 1)) {
    fail<UsageError>("[", name, "] needs level 0..10 and prob 0..1, got ", options_.level, " and ",
                     options_.prob);
  }
}

bool Enhance::apply(Sample& sample, Philox& random) const {
  if (draw(random)) change(sample.bytes());
  return true;
}

void ColorTransform::change(Image& image) const {
  const float own = factor(), grey = 1 - own;
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    uint8_t* p = image.pixels.data() + i;
    const float added = static_cast<float>(grey_of(p)) * grey;
    for (int c = 0; c < 3; ++c) {
      p[c] = static_cast<uint8_t>(
          std::clamp(std::nearbyint(static_cast<float>(p[c]) * own + added), 0.0F, 255.0F));
    }
  }
}

void BrightnessTransform::change(Image& image) const {
  scale_values(image, factor(), 0);
}

void ContrastTransform::change(Image& image) const {
  int64_t sum = 0;
  for (size_t i = 0; i < image.pixels.size(); i += 3) sum += grey_of(image.pixels.data() + i);
  const auto count = static_cast<double>(image.height * image.width);
  const auto mean = static_cast<float>(std::nearbyint(static_cast<double>(sum) / count));
  scale_values(image, factor(), mean * (1 - factor()));
}

void EqualizeTransform::change(Image& image) const {
  for (size_t c = 0; c < 3; ++c) {
    std::array<int64_t, 256> counts{};
    for (size_t i = c; i < image.pixels.size(); i += 3) ++counts[image.pixels[i]];
    const auto highest = std::ranges::find_if(counts.rbegin(), counts.rend(),
                                              [](int64_t count) { return count > 0; });
    const int64_t step = (image.height * image.width - *highest) / 255;
    if (step == 0) continue;
    std::array<uint8_t, 256> table;
    int64_t below = 0;
    for (size_t v = 0; v < table.size(); ++v) {
      table[v] =
          static_cast<uint8_t>(v == 0 ? 0 : std::min<int64_t>((below + step / 2) / step, 255));
      below += counts[v];
    }
    for (size_t i = c; i < image.pixels.size(); i += 3) image.pixels[i] = table[image.pixels[i]];
  }
}

}  // namespace kestrel
