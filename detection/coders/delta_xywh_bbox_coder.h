#pragma once

#include <array>

#include <kestrel/detection/coders/bbox_coder.h>

namespace kestrel {

struct DeltaXYWHBBoxCoderOptions {
  std::array<double, 4> target_means = {0, 0, 0, 0};
  std::array<double, 4> target_stds = {1, 1, 1, 1};
  bool clip_border = true;
  bool torchvision_clamp = false;

  template <class V>
  void visit(V& v) {
    v("target_means", target_means, "taken off the deltas");
    v("target_stds", target_stds, "the deltas are divided by these");
    v("clip_border", clip_border, "decoded boxes end at the image");
    v("torchvision_clamp", torchvision_clamp,
      "bounds dw and dh from above alone, as torchvision does");
  }
};

/// Offsets of the centre in anchor sides, and logarithms of the ratios of sides (Girshick et al.
/// 2014), normalised: MMDetection's DeltaXYWHBBoxCoder.
class DeltaXYWHBBoxCoder : public BBoxCoder {
 public:
  explicit DeltaXYWHBBoxCoder(const DeltaXYWHBBoxCoderOptions& options = {});

  Tensor encode(const Tensor& anchors, const Tensor& boxes) const override;
  Variable decode(const Tensor& anchors, const Variable& deltas) const override;
  Tensor decode(const Tensor& anchors, const Tensor& deltas, ClipSize image) const override;

 private:
  DeltaParams params_;
};

}  // namespace kestrel
