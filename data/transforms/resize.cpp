#include <algorithm>
#include <cmath>

#include <kestrel/data/transforms/resize.h>
#include <kestrel/data/transforms/resize_bilinear.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, Resize, ResizeOptions> kResize{"Resize", "scales the image"};

ImageScale read_scale(const Config& node) {
  const auto items = node.items();
  if (items.size() != 2) node.fail("must be (width, height) or a list of such pairs");
  return {items[0].as_int(), items[1].as_int()};
}

}  // namespace

std::vector<ImageScale> read_scales(const Config& node) {
  std::vector<ImageScale> scales;
  if (node.is_null() || node.items().empty()) return scales;
  if (!node.items()[0].is_list()) return {read_scale(node)};
  for (const Config& item : node.items()) scales.push_back(read_scale(item));
  return scales;
}

Config write_scales(const std::vector<ImageScale>& scales) {
  const auto pair = [](const ImageScale& s) {
    Config out = Config::list();
    out.push_back(s[0]);
    out.push_back(s[1]);
    return out;
  };
  if (scales.empty()) return {};
  if (scales.size() == 1) return pair(scales[0]);
  Config list = Config::list();
  for (const ImageScale& s : scales) list.push_back(pair(s));
  return list;
}

Resize::Resize(ResizeOptions options) : options_(std::move(options)) {
  for (const ImageScale& s : options_.img_scale) {
    if (s[0] < 1 || s[1] < 1) {
      fail<UsageError>("[resize] img_scale must be positive, got (", s[0], ", ", s[1], ")");
    }
  }
  const size_t count = options_.img_scale.size();
  if (options_.ratio_range) {
    const auto [low, high] = *options_.ratio_range;
    if (count != 1) fail<UsageError>("[resize] ratio_range needs one img_scale, got ", count);
    if (!(low > 0) || !(high >= low)) {
      fail<UsageError>("[resize] ratio_range must be 0 < low <= high, got (", low, ", ", high, ")");
    }
  } else if (options_.multiscale_mode == MultiscaleMode::Range && count > 2) {
    fail<UsageError>("[resize] multiscale_mode range takes two scales, got ", count);
  }
}

ImageScale Resize::draw_scale(Philox& random) const {
  const auto& scales = options_.img_scale;
  if (scales.empty()) fail<UsageError>("[resize] img_scale is not set");
  if (options_.ratio_range) {
    const double r = random.uniform((*options_.ratio_range)[0], (*options_.ratio_range)[1]);
    return {static_cast<int64_t>(static_cast<double>(scales[0][0]) * r),
            static_cast<int64_t>(static_cast<double>(scales[0][1]) * r)};
  }
  if (scales.size() == 1) return scales[0];
  if (options_.multiscale_mode == MultiscaleMode::Value) {
    return scales[static_cast<size_t>(random.integer(0, static_cast<int64_t>(scales.size())))];
  }
  const int64_t long_0 = std::max(scales[0][0], scales[0][1]);
  const int64_t long_1 = std::max(scales[1][0], scales[1][1]);
  const int64_t short_0 = std::min(scales[0][0], scales[0][1]);
  const int64_t short_1 = std::min(scales[1][0], scales[1][1]);
  const int64_t longest = random.integer(std::min(long_0, long_1), std::max(long_0, long_1) + 1);
  return {longest, random.integer(std::min(short_0, short_1), std::max(short_0, short_1) + 1)};
}

ImageSize Resize::target_size(ImageSize size, ImageScale scale) const {
  if (!options_.keep_ratio) return {scale[1], scale[0]};
  const auto h = static_cast<double>(size.height), w = static_cast<double>(size.width);
  const auto longest = static_cast<double>(std::max(scale[0], scale[1]));
  const auto shortest = static_cast<double>(std::min(scale[0], scale[1]));
  const double factor = std::min(longest / std::max(h, w), shortest / std::min(h, w));
  const double rounding = options_.style == ResizeStyle::Torchvision ? 0 : 0.5;
  return {std::max<int64_t>(1, static_cast<int64_t>(h * factor + rounding)),
          std::max<int64_t>(1, static_cast<int64_t>(w * factor + rounding))};
}

bool Resize::apply(Sample& sample, Philox& random) const {
  if (sample.padded()) fail<UsageError>("[resize] must come before Pad");
  const ImageScale scale = sample.preset_scale ? *sample.preset_scale : draw_scale(random);
  const ImageSize from{sample.height(), sample.width()};
  const ImageSize to = target_size(from, scale);
  const bool torchvision = options_.style == ResizeStyle::Torchvision;
  if (torchvision || sample.is_float()) {
    sample.set(resize_bilinear(sample.floats(), to.height, to.width));
  } else {
    sample.set(resize_bilinear(sample.bytes(), to.height, to.width));
  }
  sample.meta.scale_x *= static_cast<float>(to.width) / static_cast<float>(from.width);
  sample.meta.scale_y *= static_cast<float>(to.height) / static_cast<float>(from.height);
  sample.instances.resize(from, to);
  if (options_.bbox_clip_border && !torchvision) sample.instances.clip(to.height, to.width);
  return true;
}

}  // namespace kestrel
