#pragma once

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include <kestrel/data/transforms/transform.h>
#include <kestrel/registry/config.h>

namespace kestrel {

enum class MultiscaleMode { Range, Value };
constexpr auto enum_names(MultiscaleMode) {
  return std::array{std::pair{MultiscaleMode::Range, "range"},
                    std::pair{MultiscaleMode::Value, "value"}};
}

/// MMDetection: OpenCV's bilinear of 8-bit pixels, sizes rounded by int(x * f + 0.5), boxes
/// clipped. Torchvision: float bilinear, sizes by floor, boxes not clipped; comes after Normalize.
enum class ResizeStyle { MMDetection, Torchvision };
constexpr auto enum_names(ResizeStyle) {
  return std::array{std::pair{ResizeStyle::MMDetection, "mmdet"},
                    std::pair{ResizeStyle::Torchvision, "torchvision"}};
}

using ImageScale = std::array<int64_t, 2>;  ///< Width, height; with keep_ratio long and short side.

/// In a config img_scale is one pair, or a list of pairs, as in MMDetection.
std::vector<ImageScale> read_scales(const Config& node);
Config write_scales(const std::vector<ImageScale>& scales);

/// MMDetection's keys, and `style`.
struct ResizeOptions {
  std::vector<ImageScale> img_scale{};
  MultiscaleMode multiscale_mode = MultiscaleMode::Range;
  std::optional<std::array<double, 2>> ratio_range{};
  bool keep_ratio = true;
  bool bbox_clip_border = true;
  ResizeStyle style = ResizeStyle::MMDetection;

  template <class V>
  void visit(V& v) {
    Config scales = write_scales(img_scale);
    v("img_scale", scales,
      "width, height; with keep_ratio the longer and the shorter side; or a list of such pairs");
    img_scale = read_scales(scales);
    v("multiscale_mode", multiscale_mode,
      "of several scales: one of the list, or each side between the smallest and the largest");
    v("ratio_range", ratio_range, "factors between which one is drawn for the only scale");
    v("keep_ratio", keep_ratio, "the image fits into the scale and keeps its shape");
    v("bbox_clip_border", bbox_clip_border, "clip boxes to the image");
    v("style", style,
      "mmdet: OpenCV's bilinear of 8-bit pixels; torchvision: of float, after Normalize");
  }
};

/// Scales the image to img_scale: within it where keep_ratio, else exactly to it. Of several
/// scales one is drawn: of the list (value), or long and short side each between the smallest and
/// the largest (range); with ratio_range the one scale times a random ratio.
class Resize : public Transform {
 public:
  explicit Resize(ResizeOptions options);
  bool apply(Sample& sample, Philox& random) const override;

  /// The scale that these draws choose.
  ImageScale draw_scale(Philox& random) const;
  /// Height and width of the result for an image of this size.
  ImageSize target_size(ImageSize size, ImageScale scale) const;

 private:
  ResizeOptions options_;
};

}  // namespace kestrel
