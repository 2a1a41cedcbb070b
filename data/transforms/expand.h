#pragma once

#include <array>

#include <kestrel/data/transforms/transform.h>

namespace kestrel {

/// MMDetection's keys.
struct ExpandOptions {
  std::array<double, 3> mean{0, 0, 0};
  bool to_rgb = true;
  std::array<double, 2> ratio_range{1, 4};
  double prob = 0.5;

  template <class V>
  void visit(V& v) {
    v("mean", mean, "colour of what is added; RGB where to_rgb, else BGR");
    v("to_rgb", to_rgb, "the order of mean");
    v("ratio_range", ratio_range, "smallest and largest factor of the sides");
    v("prob", prob, "how often it is done");
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
