#include <algorithm>

#include <kestrel/data/transforms/mix_up.h>
#include <kestrel/data/transforms/resize_bilinear.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, MixUp, MixUpOptions> kMixUp{"MixUp",
                                                          "the mean of the image and another one"};

int64_t times(int64_t side, double factor) {
  return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(side) * factor));
}

Box clipped(const Box& b, int64_t height, int64_t width) {
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  return {std::clamp(b.x1, 0.0F, w), std::clamp(b.y1, 0.0F, h), std::clamp(b.x2, 0.0F, w),
          std::clamp(b.y2, 0.0F, h)};
}

}  // namespace

MixUp::MixUp(MixUpOptions options) : options_(options) {
  const auto [low, high] = options_.ratio_range;
  if (options_.img_scale[0] < 1 || options_.img_scale[1] < 1 || !(low > 0 && low <= high)) {
    fail<UsageError>("[mix_up] needs a positive img_scale and 0 < ratio_range, got (",
                     options_.img_scale[0], ", ", options_.img_scale[1], ") and (", low, ", ", high,
                     ")");
  }
  if (!(options_.flip_ratio >= 0 && options_.flip_ratio <= 1) || options_.max_iters < 1 ||
      !(options_.pad_val >= 0 && options_.pad_val <= 255)) {
    fail<UsageError>("[mix_up] needs flip_ratio 0..1, max_iters from 1 and pad_val 0..255, got ",
                     options_.flip_ratio, ", ", options_.max_iters, " and ", options_.pad_val);
  }
}

MixUp::Draw MixUp::draw(Philox& random) const {
  Draw draw;
  draw.factor = random.uniform(options_.ratio_range[0], options_.ratio_range[1]);
  draw.flip = random.uniform() < options_.flip_ratio;
  draw.crop_y = random.uniform();
  draw.crop_x = random.uniform();
  return draw;
}

void MixUp::change(Sample& sample, Sample other, const Draw& draw) const {
  for (const Sample* one : std::array<const Sample*, 2>{&sample, &other}) {
    if (!one->instances.masks.empty() || !one->instances.semantic.empty()) {
      fail<UsageError>("[mix_up] knows boxes alone, no masks and no maps of classes");
    }
  }
  if (other.instances.boxes.empty()) return;
  double scale =
      std::min(static_cast<double>(options_.img_scale[0]) / static_cast<double>(other.height()),
               static_cast<double>(options_.img_scale[1]) / static_cast<double>(other.width()));
  Image fitted(options_.img_scale[0], options_.img_scale[1]);
  std::ranges::fill(fitted.pixels, static_cast<uint8_t>(options_.pad_val));
  const Image small =
      resize_bilinear(other.bytes(), times(other.height(), scale), times(other.width(), scale));
  for (int64_t y = 0; y < small.height; ++y) {
    std::copy_n(small.row(y), 3 * small.width, fitted.row(y));
  }
  scale *= draw.factor;
  const Image image =
      resize_bilinear(fitted, times(fitted.height, draw.factor), times(fitted.width, draw.factor));
  const int64_t height = sample.height(), width = sample.width();
  const auto offset = [](double share, int64_t have, int64_t want) {
    return have > want ? static_cast<int64_t>(share * static_cast<double>(have - want)) : 0;
  };
  const int64_t left = offset(draw.crop_x, image.width, width),
                top = offset(draw.crop_y, image.height, height);

  // Beyond the other image there is black.
  Image& pixels = sample.bytes();
  const int64_t shared = std::clamp<int64_t>(image.width - left, 0, width);
  std::vector<uint8_t> row_of_other(static_cast<size_t>(3 * width));
  for (int64_t y = 0; y < height; ++y) {
    std::ranges::fill(row_of_other, uint8_t{0});
    if (top + y < image.height) {
      const uint8_t* from = image.row(top + y);
      if (draw.flip) {
        for (int64_t x = 0; x < shared; ++x) {
          std::copy_n(from + 3 * (image.width - 1 - left - x), 3, row_of_other.begin() + 3 * x);
        }
      } else {
        std::copy_n(from + 3 * left, 3 * shared, row_of_other.begin());
      }
    }
    uint8_t* row = pixels.row(y);
    for (int64_t i = 0; i < 3 * width; ++i) {
      row[i] = static_cast<uint8_t>((row[i] + row_of_other[static_cast<size_t>(i)]) / 2);
    }
  }

  const auto s = static_cast<float>(scale);
  const auto whole = static_cast<float>(image.width);
  const auto moved = [&](const Box& b, Box& before) {
    Box box{b.x1 * s, b.y1 * s, b.x2 * s, b.y2 * s};
    if (options_.bbox_clip_border) box = clipped(box, image.height, image.width);
    if (draw.flip) box = {whole - box.x2, box.y1, whole - box.x1, box.y2};
    before = box;
    const auto dx = static_cast<float>(left), dy = static_cast<float>(top);
    box = {box.x1 - dx, box.y1 - dy, box.x2 - dx, box.y2 - dy};
    return options_.bbox_clip_border ? clipped(box, height, width) : box;
  };
  for (size_t i = 0; i < other.instances.boxes.size(); ++i) {
    Box before;
    const Box after = moved(other.instances.boxes[i], before);
    if (!options_.filter.keeps(before, after)) continue;
    sample.instances.boxes.push_back(after);
    sample.instances.labels.push_back(other.instances.labels[i]);
  }
  for (const Box& box : other.instances.ignored) {
    Box before;
    sample.instances.ignored.push_back(moved(box, before));
  }
  sample.instances.keep_boxes([&](const Box& box) { return reaches_into(box, height, width); });
}

bool MixUp::apply(Sample& sample, Philox& random) const {
  if (sample.padded()) fail<UsageError>("[mix_up] must come before Pad");
  if (sample.others == nullptr) {
    fail<UsageError>("[mix_up] mixes images: it belongs to the pipeline of a MultiImageMixDataset");
  }
  int64_t index = 0;
  for (int64_t tries = 0; tries < options_.max_iters; ++tries) {
    index = random.integer(0, sample.others->size());
    if (sample.others->has_objects(index)) break;
  }
  const Draw draw = this->draw(random);
  change(sample, sample.others->load(index), draw);
  return true;
}

}  // namespace kestrel
