#include <kestrel/data/transforms/random_flip.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, RandomFlip, RandomFlipOptions> kRandomFlip{"RandomFlip"};

}  // namespace

RandomFlip::RandomFlip(RandomFlipOptions options) : options_(options) {
  const double ratio = options_.flip_ratio.value_or(0);
  if (!(ratio >= 0 && ratio <= 1)) {
    fail<UsageError>("[random_flip] flip_ratio must be 0..1, got ", ratio);
  }
}

bool RandomFlip::apply(Sample& sample, Philox& random) const {
  if (sample.padded()) fail<UsageError>("[random_flip] must come before Pad");
  bool flip = false;
  if (sample.preset_flip) {
    flip = *sample.preset_flip;
  } else if (options_.flip_ratio) {
    flip = random.uniform() < *options_.flip_ratio;
  }
  if (!flip) return true;
  sample.mirror();
  sample.meta.flipped = !sample.meta.flipped;
  const auto width = static_cast<float>(sample.width());
  for (auto* boxes : {&sample.boxes, &sample.ignored}) {
    for (Box& b : *boxes) b = {width - b.x2, b.y1, width - b.x1, b.y2};
  }
  return true;
}

}  // namespace kestrel
