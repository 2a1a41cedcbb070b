#include <algorithm>
#include <cmath>

#include <kestrel/data/transforms/crop.h>
#include <kestrel/data/transforms/random_crop.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, RandomCrop, RandomCropOptions> kRandomCrop{
    "RandomCrop", "cuts out a part of a given size"};
const Registration<Transform, MinIoURandomCrop, MinIoURandomCropOptions> kMinIoURandomCrop{
    "MinIoURandomCrop", "cuts out a part that overlaps the objects by enough"};

double iou(const Box& a, const Box& b) {
  const double w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const double h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  const double shared = std::max(w, 0.0) * std::max(h, 0.0);
  return shared / std::max(double{a.area()} + b.area() - shared, 1e-6);
}

}  // namespace

RandomCrop::RandomCrop(RandomCropOptions options) : options_(options) {
  const bool relative =
      options_.crop_type == CropType::Relative || options_.crop_type == CropType::RelativeRange;
  for (const double size : options_.crop_size) {
    if (!(size > 0) || (relative ? size > 1 : size != std::floor(size) || size > 1e6)) {
      fail<UsageError>("[random_crop] crop_size must be ",
                       relative ? "in (0, 1] for relative crops" : "whole and positive", ", got ",
                       size);
    }
  }
}

bool RandomCrop::apply(Sample& sample, Philox& random) const {
  const int64_t size[2] = {sample.height(), sample.width()};
  int64_t crop[2];
  double share[2] = {options_.crop_size[0], options_.crop_size[1]};
  if (options_.crop_type == CropType::RelativeRange) {
    for (double& s : share) s += random.uniform() * (1 - s);
  }
  for (int k = 0; k < 2; ++k) {
    switch (options_.crop_type) {
      case CropType::Absolute:
        crop[k] = static_cast<int64_t>(share[k]);
        break;
      case CropType::AbsoluteRange: {  // from the first of crop_size to the second
        const auto low = static_cast<int64_t>(share[0]), high = static_cast<int64_t>(share[1]);
        crop[k] = random.integer(std::min(size[k], low), std::min(size[k], high) + 1);
        break;
      }
      default:
        crop[k] = static_cast<int64_t>(static_cast<double>(size[k]) * share[k] + 0.5);
    }
    crop[k] = std::clamp<int64_t>(crop[k], 1, size[k]);
  }
  const int64_t y = random.integer(0, size[0] - crop[0] + 1);
  const int64_t x = random.integer(0, size[1] - crop[1] + 1);
  crop_sample(sample, x, y, crop[1], crop[0]);
  const bool had_boxes = !sample.instances.boxes.empty();
  const auto w = static_cast<float>(crop[1]), h = static_cast<float>(crop[0]);
  sample.instances.keep_boxes([&](const Box& b) {
    return std::min(b.x2, w) > std::max(b.x1, 0.0F) && std::min(b.y2, h) > std::max(b.y1, 0.0F);
  });
  if (options_.bbox_clip_border) sample.instances.clip(crop[0], crop[1]);
  return !had_boxes || !sample.instances.boxes.empty() || options_.allow_negative_crop;
}

MinIoURandomCrop::MinIoURandomCrop(MinIoURandomCropOptions options) : options_(std::move(options)) {
  if (!(options_.min_crop_size > 0 && options_.min_crop_size <= 1)) {
    fail<UsageError>("[min_iou_random_crop] min_crop_size must be in (0, 1], got ",
                     options_.min_crop_size);
  }
}

bool MinIoURandomCrop::apply(Sample& sample, Philox& random) const {
  const auto width = static_cast<double>(sample.width());
  const auto height = static_cast<double>(sample.height());
  const auto modes = static_cast<int64_t>(options_.min_ious.size()) + 2;
  constexpr int kRounds = 1000;  // MMDetection tries without end
  for (int round = 0; round < kRounds; ++round) {
    const int64_t mode = random.integer(0, modes);
    if (mode == 0) return true;  // the whole image
    const double min_iou = mode == modes - 1 ? 0 : options_.min_ious[static_cast<size_t>(mode - 1)];
    for (int i = 0; i < 50; ++i) {
      const double w = random.uniform(options_.min_crop_size * width, width);
      const double h = random.uniform(options_.min_crop_size * height, height);
      if (h / w < 0.5 || h / w > 2) continue;
      // numpy's uniform with one argument: the upper end is 1.
      const double left = random.uniform(width - w, 1), top = random.uniform(height - h, 1);
      const auto x1 = static_cast<int64_t>(left), y1 = static_cast<int64_t>(top);
      const auto x2 = static_cast<int64_t>(left + w), y2 = static_cast<int64_t>(top + h);
      if (x2 <= x1 || y2 <= y1 || x2 > sample.width() || y2 > sample.height()) continue;
      const Box patch{static_cast<float>(x1), static_cast<float>(y1), static_cast<float>(x2),
                      static_cast<float>(y2)};
      const auto inside = [&](const Box& b) {
        const float cx = (b.x1 + b.x2) / 2, cy = (b.y1 + b.y2) / 2;
        return cx > patch.x1 && cy > patch.y1 && cx < patch.x2 && cy < patch.y2;
      };
      const bool overlaps = std::ranges::all_of(
          sample.instances.boxes, [&](const Box& b) { return iou(b, patch) >= min_iou; });
      if (!overlaps) continue;
      if (!sample.instances.boxes.empty() && std::ranges::none_of(sample.instances.boxes, inside)) {
        continue;
      }
      sample.instances.keep_boxes(inside);
      crop_sample(sample, x1, y1, x2 - x1, y2 - y1);
      if (options_.bbox_clip_border) sample.instances.clip(y2 - y1, x2 - x1);
      return true;
    }
  }
  return true;
}

}  // namespace kestrel
