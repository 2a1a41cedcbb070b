#include <algorithm>
#include <cmath>
#include <numbers>

#include <kestrel/data/transforms/random_affine.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, RandomAffine, RandomAffineOptions> kRandomAffine{
    "RandomAffine", "turns, scales, shears and moves the image"};

double radians(double degrees) {
  return degrees * std::numbers::pi / 180;
}

}  // namespace

bool BoxFilterOptions::keeps(const Box& before, const Box& after) const {
  if (skip_filter) return true;
  const double w = after.width(), h = after.height();
  const double aspect = std::max(w / (h + 1e-16), h / (w + 1e-16));
  return w > min_bbox_size && h > min_bbox_size &&
         w * h / (double{before.width()} * before.height() + 1e-16) > min_area_ratio &&
         aspect < max_aspect_ratio;
}

bool reaches_into(const Box& box, int64_t height, int64_t width) {
  return box.x1 < static_cast<float>(width) && box.x2 > 0 && box.y1 < static_cast<float>(height) &&
         box.y2 > 0;
}

RandomAffine::RandomAffine(RandomAffineOptions options) : options_(options) {
  const auto [low, high] = options_.scaling_ratio_range;
  if (!(low > 0 && low <= high)) {
    fail<UsageError>("[random_affine] scaling_ratio_range must be 0 < low <= high, got (", low,
                     ", ", high, ")");
  }
  if (!(options_.max_translate_ratio >= 0 && options_.max_translate_ratio <= 1)) {
    fail<UsageError>("[random_affine] max_translate_ratio must be 0..1, got ",
                     options_.max_translate_ratio);
  }
  if (!(std::abs(options_.max_shear_degree) < 90)) {
    fail<UsageError>("[random_affine] max_shear_degree must be below 90, got ",
                     options_.max_shear_degree);
  }
  for (const double value : options_.border_val) {
    if (!(value >= 0 && value <= 255)) {
      fail<UsageError>("[random_affine] border_val must be 0..255, got ", value);
    }
  }
}

RandomAffine::Draw RandomAffine::draw(Philox& random) const {
  const auto both_ways = [&](double most) { return random.uniform(-most, most); };
  Draw draw;
  draw.degrees = both_ways(options_.max_rotate_degree);
  draw.scale = random.uniform(options_.scaling_ratio_range[0], options_.scaling_ratio_range[1]);
  draw.shear_x = both_ways(options_.max_shear_degree);
  draw.shear_y = both_ways(options_.max_shear_degree);
  draw.move_x = both_ways(options_.max_translate_ratio);
  draw.move_y = both_ways(options_.max_translate_ratio);
  return draw;
}

void RandomAffine::change(Sample& sample, const Draw& draw) const {
  if (sample.padded()) fail<UsageError>("[random_affine] must come before Pad");
  if (!sample.instances.masks.empty() || !sample.instances.semantic.empty()) {
    fail<UsageError>("[random_affine] knows boxes alone, no masks and no maps of classes");
  }
  const int64_t height = sample.height() + 2 * options_.border[0];
  const int64_t width = sample.width() + 2 * options_.border[1];
  if (height < 1 || width < 1) {
    fail<UsageError>("[random_affine] a border of (", options_.border[0], ", ", options_.border[1],
                     ") leaves nothing of an image of ", sample.width(), "x", sample.height());
  }
  const double turn = radians(draw.degrees);
  const AffineMap scale{{draw.scale, 0, 0, 0, draw.scale, 0}};
  const AffineMap rotate{{std::cos(turn), -std::sin(turn), 0, std::sin(turn), std::cos(turn), 0}};
  const AffineMap shear{
      {1, std::tan(radians(draw.shear_x)), 0, std::tan(radians(draw.shear_y)), 1, 0}};
  const AffineMap move{{1, 0, draw.move_x * static_cast<double>(width), 0, 1,
                        draw.move_y * static_cast<double>(height)}};
  const AffineMap map = move.after(shear.after(rotate.after(scale)));
  std::array<uint8_t, 3> fill{};
  std::ranges::transform(options_.border_val, fill.begin(),
                         [](double v) { return static_cast<uint8_t>(v); });
  sample.set(warp(sample.bytes(), map, height, width, fill));
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  const auto scaled = static_cast<float>(draw.scale);
  // A box that is dropped is marked by its sides.
  constexpr Box kGone{0, 0, -1, -1};
  for (auto* list :
       {&sample.instances.boxes, &sample.instances.ignored, &sample.instances.proposals}) {
    for (Box& box : *list) {
      const Box before{box.x1 * scaled, box.y1 * scaled, box.x2 * scaled, box.y2 * scaled};
      Box after = mapped(map, box);
      if (options_.bbox_clip_border) {
        after = {std::clamp(after.x1, 0.0F, w), std::clamp(after.y1, 0.0F, h),
                 std::clamp(after.x2, 0.0F, w), std::clamp(after.y2, 0.0F, h)};
      }
      box = reaches_into(after, height, width) && options_.filter.keeps(before, after) ? after
                                                                                       : kGone;
    }
  }
  sample.instances.keep_boxes([&](const Box& box) { return !(box == kGone); });
}

bool RandomAffine::apply(Sample& sample, Philox& random) const {
  change(sample, draw(random));
  return true;
}

}  // namespace kestrel
