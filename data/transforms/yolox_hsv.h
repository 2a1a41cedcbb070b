#pragma once

#include <array>

#include <kestrel/data/transforms/transform.h>

namespace kestrel {

/// MMDetection's keys.
struct YoloxHsvOptions {
  int64_t hue_delta = 5, saturation_delta = 30, value_delta = 30;

  template <class V>
  void visit(V& v) {
    v("hue_delta", hue_delta, "most that the hue is turned, in steps of 2 degrees");
    v("saturation_delta", saturation_delta, "most that is added to the saturation of 0..255");
    v("value_delta", value_delta, "most that is added to the value of 0..255");
  }
};

/// YOLOX's change of colours: adds to hue, saturation and value of 8-bit pixels, each every other
/// time, through OpenCV's 8-bit HSV with its rounding.
class YoloxHsv : public Transform {
 public:
  explicit YoloxHsv(YoloxHsvOptions options);
  bool apply(Sample& sample, Philox& random) const override;

  using Gains = std::array<int, 3>;  ///< Added to hue, saturation and value.
  Gains draw(Philox& random) const;
  static void change(Image& image, const Gains& gains);

 private:
  YoloxHsvOptions options_;
};

}  // namespace kestrel
