#pragma once

#include <array>
#include <optional>
#include <vector>

#include <kestrel/data/transforms/transform.h>

namespace kestrel {

/// MMDetection's keys.
struct CutOutOptions {
  std::vector<int64_t> n_holes{1};
  std::vector<std::array<int64_t, 2>> cutout_shape{};
  std::vector<std::array<double, 2>> cutout_ratio{};
  std::array<double, 3> fill_in{0, 0, 0};

  template <class V>
  void visit(V& v) {
    v("n_holes", n_holes, "how many, or the least and the most");
    v("cutout_shape", cutout_shape, "sizes of holes, width and height, of which one is drawn");
    v("cutout_ratio", cutout_ratio, "the same in shares of the image");
    v("fill_in", fill_in, "colour of the holes, RGB");
  }
};

/// Rectangles of one colour, each from a point of the image to the right and down.
class CutOut : public Transform {
 public:
  struct Hole {
    int64_t x = 0, y = 0, width = 0, height = 0;
  };

  explicit CutOut(CutOutOptions options);
  bool apply(Sample& sample, Philox& random) const override;

  std::vector<Hole> draw(int64_t height, int64_t width, Philox& random) const;
  void change(Sample& sample, const std::vector<Hole>& holes) const;

 private:
  CutOutOptions options_;
};

}  // namespace kestrel
