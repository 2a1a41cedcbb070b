#include <optional>
#include <utility>

#include <kestrel/data/transforms/random_flip.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, RandomFlip, RandomFlipOptions> kRandomFlip{
    "RandomFlip", "flips the image by chance"};

}  // namespace

RandomFlip::RandomFlip(RandomFlipOptions options) : options_(std::move(options)) {
  std::vector<double>& ratios = options_.flip_ratio.values;
  const size_t directions = options_.direction.values.size();
  if (ratios.size() == 1 && directions > 1) {
    ratios.assign(directions, ratios[0] / static_cast<double>(directions));
  }
  if (!ratios.empty() && ratios.size() != directions) {
    fail<UsageError>("[random_flip] ", ratios.size(), " probabilities in flip_ratio for ",
                     directions, " directions");
  }
  double total = 0;
  for (const double ratio : ratios) {
    if (!(ratio >= 0)) fail<UsageError>("[random_flip] flip_ratio must be 0..1, got ", ratio);
    total += ratio;
  }
  if (!(total <= 1)) fail<UsageError>("[random_flip] flip_ratio must be 0..1, got ", total);
}

bool RandomFlip::apply(Sample& sample, Philox& random) const {
  if (sample.padded()) fail<UsageError>("[random_flip] must come before Pad");
  std::optional<FlipDirection> chosen;
  if (sample.preset_flip) {
    if (*sample.preset_flip) chosen = FlipDirection::Horizontal;
  } else if (!options_.flip_ratio.values.empty()) {
    double draw = random.uniform();
    for (size_t i = 0; i < options_.direction.values.size() && !chosen; ++i) {
      if (draw < options_.flip_ratio.values[i]) chosen = options_.direction.values[i];
      draw -= options_.flip_ratio.values[i];
    }
  }
  if (!chosen) return true;
  const bool across = *chosen != FlipDirection::Vertical;
  const bool down = *chosen != FlipDirection::Horizontal;
  if (across) {
    sample.mirror();
    sample.instances.mirror(sample.width());
    sample.meta.flipped = !sample.meta.flipped;
  }
  if (down) {
    sample.turn_over();
    sample.instances.turn_over(sample.height());
    sample.meta.turned_over = !sample.meta.turned_over;
  }
  return true;
}

}  // namespace kestrel
