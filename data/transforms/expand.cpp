#include <algorithm>
#include <cmath>

#include <kestrel/data/transforms/expand.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, Expand, ExpandOptions> kExpand{"Expand",
                                                             "puts the image on a larger canvas"};

template <class Picture>
void place(const Picture& from, int64_t left, int64_t top, const std::array<double, 3>& color,
           Picture& to) {
  using Value = std::remove_reference_t<decltype(to.pixels[0])>;
  for (size_t i = 0; i < to.pixels.size(); ++i) to.pixels[i] = static_cast<Value>(color[i % 3]);
  for (int64_t y = 0; y < from.height; ++y) {
    std::copy_n(from.row(y), 3 * from.width, to.row(top + y) + 3 * left);
  }
}

}  // namespace

Expand::Expand(ExpandOptions options) : options_(options) {
  const auto [low, high] = options_.ratio_range;
  if (!(low >= 1 && high >= low && high <= 100) || !(options_.prob >= 0 && options_.prob <= 1)) {
    fail<UsageError>("[expand] needs 1 <= ratio_range <= 100 and prob 0..1, got (", low, ", ", high,
                     ") and ", options_.prob);
  }
  for (const double m : options_.mean) {
    if (!(m >= 0 && m <= 255)) fail<UsageError>("[expand] mean must be 0..255, got ", m);
  }
  if (!options_.to_rgb) std::swap(options_.mean[0], options_.mean[2]);
}

bool Expand::apply(Sample& sample, Philox& random) const {
  if (sample.padded()) fail<UsageError>("[expand] must come before Pad");
  if (random.uniform() > options_.prob) return true;
  const int64_t h = sample.height(), w = sample.width();
  const double ratio = random.uniform(options_.ratio_range[0], options_.ratio_range[1]);
  const auto height = static_cast<int64_t>(static_cast<double>(h) * ratio);
  const auto width = static_cast<int64_t>(static_cast<double>(w) * ratio);
  const auto left = std::min(
      static_cast<int64_t>(random.uniform(0, static_cast<double>(w) * (ratio - 1))), width - w);
  const auto top = std::min(
      static_cast<int64_t>(random.uniform(0, static_cast<double>(h) * (ratio - 1))), height - h);
  if (sample.is_float()) {
    FloatImage out{height, width, std::vector<float>(static_cast<size_t>(height * width * 3))};
    place(sample.floats(), left, top, options_.mean, out);
    sample.set(std::move(out));
  } else {
    Image out(height, width);
    place(sample.bytes(), left, top, options_.mean, out);
    sample.set(std::move(out));
  }
  sample.instances.place(left, top, height, width);
  return true;
}

}  // namespace kestrel
