#pragma once

#include <array>

#include <kestrel/data/transforms/transform.h>

namespace kestrel {

/// MMDetection's keys.
struct ExpandOptions {
  std::array<double, 3> mean{0, 0, 0};  ///< Colour of what is added; RGB where to_rgb, else BGR.
  bool to_rgb = true;
  std::array<double, 2> ratio_range{1, 4};
  double prob = 0.5;

  template <class V>
  void visit(V& v) {
    v("mean", mean);
    v("to_rgb", to_rgb);
    v("ratio_range", ratio_range);
    v("prob", prob);
  }
};

/// Puts the image somewhere on a larger canvas, so that its objects become small ones.
class Expand : public Transform {
 public:
  explicit Expand(ExpandOptions options);
  bool apply(Sample& sample, Philox& random) const override;

 private:
  ExpandOptions options_;
};

}  // namespace kestrel
