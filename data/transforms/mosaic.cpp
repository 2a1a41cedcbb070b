#include <algorithm>

#include <kestrel/data/transforms/mosaic.h>
#include <kestrel/data/transforms/resize_bilinear.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, Mosaic, MosaicOptions> kMosaic{"Mosaic",
                                                             "puts four images around a point"};

/// Where a part of an image goes.
struct Patch {
  int64_t to_x = 0, to_y = 0, from_x = 0, from_y = 0, width = 0, height = 0;
};

/// Of an image of w x h in a corner of the canvas: 0 top left, 1 top right, 2 bottom left, 3 bottom
/// right.
Patch patch_of(int corner, int64_t cx, int64_t cy, int64_t w, int64_t h, int64_t canvas_w,
               int64_t canvas_h) {
  const bool left = corner % 2 == 0, top = corner < 2;
  Patch patch;
  patch.width = left ? std::min(cx, w) : std::min(w, canvas_w - cx);
  patch.height = top ? std::min(cy, h) : std::min(h, canvas_h - cy);
  patch.to_x = left ? cx - patch.width : cx;
  patch.to_y = top ? cy - patch.height : cy;
  patch.from_x = left ? w - patch.width : 0;
  patch.from_y = top ? h - patch.height : 0;
  return patch;
}

}  // namespace

Mosaic::Mosaic(MosaicOptions options) : options_(options) {
  const auto [low, high] = options_.center_ratio_range;
  if (options_.img_scale[0] < 1 || options_.img_scale[1] < 1 ||
      !(low >= 0 && low <= high && high <= 2)) {
    fail<UsageError>("[mosaic] needs a positive img_scale and 0 <= center_ratio_range <= 2, got (",
                     options_.img_scale[0], ", ", options_.img_scale[1], ") and (", low, ", ", high,
                     ")");
  }
  if (!(options_.prob >= 0 && options_.prob <= 1) ||
      !(options_.pad_val >= 0 && options_.pad_val <= 255)) {
    fail<UsageError>("[mosaic] needs prob 0..1 and pad_val 0..255, got ", options_.prob, " and ",
                     options_.pad_val);
  }
}

Mosaic::Draw Mosaic::draw(int64_t images, Philox& random) const {
  Draw draw;
  for (int64_t& index : draw.others) index = random.integer(0, images);
  const auto [low, high] = options_.center_ratio_range;
  draw.center_x =
      static_cast<int64_t>(random.uniform(low, high) * static_cast<double>(options_.img_scale[1]));
  draw.center_y =
      static_cast<int64_t>(random.uniform(low, high) * static_cast<double>(options_.img_scale[0]));
  return draw;
}

void Mosaic::change(Sample& sample, std::vector<Sample> others, const Draw& draw) const {
  KESTREL_CHECK(others.size() == 3, "[mosaic] needs three other images, got ", others.size());
  const int64_t height = 2 * options_.img_scale[0], width = 2 * options_.img_scale[1];
  Image canvas(height, width);
  std::ranges::fill(canvas.pixels, static_cast<uint8_t>(options_.pad_val));
  Instances all;
  for (int corner = 0; corner < 4; ++corner) {
    Sample& part = corner == 0 ? sample : others[static_cast<size_t>(corner - 1)];
    if (!part.instances.masks.empty() || !part.instances.semantic.empty()) {
      fail<UsageError>("[mosaic] knows boxes alone, no masks and no maps of classes");
    }
    const double scale =
        std::min(static_cast<double>(options_.img_scale[0]) / static_cast<double>(part.height()),
                 static_cast<double>(options_.img_scale[1]) / static_cast<double>(part.width()));
    const auto scaled = [&](int64_t side) {
      return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(side) * scale));
    };
    const Image image = resize_bilinear(part.bytes(), scaled(part.height()), scaled(part.width()));
    const Patch patch =
        patch_of(corner, draw.center_x, draw.center_y, image.width, image.height, width, height);
    for (int64_t y = 0; y < patch.height; ++y) {
      std::copy_n(image.row(patch.from_y + y) + 3 * patch.from_x, 3 * patch.width,
                  canvas.row(patch.to_y + y) + 3 * patch.to_x);
    }
    const auto s = static_cast<float>(scale);
    const auto dx = static_cast<float>(patch.to_x - patch.from_x),
               dy = static_cast<float>(patch.to_y - patch.from_y);
    const auto moved = [=](const Box& b) {
      return Box{b.x1 * s + dx, b.y1 * s + dy, b.x2 * s + dx, b.y2 * s + dy};
    };
    for (const Box& box : part.instances.boxes) all.boxes.push_back(moved(box));
    for (const Box& box : part.instances.ignored) all.ignored.push_back(moved(box));
    all.labels.insert(all.labels.end(), part.instances.labels.begin(), part.instances.labels.end());
  }
  sample.set(std::move(canvas));
  sample.instances = std::move(all);
  if (options_.bbox_clip_border) sample.instances.clip(height, width);
  const auto least = static_cast<float>(options_.min_bbox_size);
  sample.instances.keep_boxes([&](const Box& box) {
    return reaches_into(box, height, width) &&
           (options_.skip_filter || (box.width() > least && box.height() > least));
  });
}

bool Mosaic::apply(Sample& sample, Philox& random) const {
  if (sample.padded()) fail<UsageError>("[mosaic] must come before Pad");
  if (sample.others == nullptr) {
    fail<UsageError>("[mosaic] mixes images: it belongs to the pipeline of a MultiImageMixDataset");
  }
  if (random.uniform() > options_.prob) return true;
  const Draw draw = this->draw(sample.others->size(), random);
  std::vector<Sample> others;
  for (const int64_t index : draw.others) others.push_back(sample.others->load(index));
  change(sample, std::move(others), draw);
  return true;
}

}  // namespace kestrel
