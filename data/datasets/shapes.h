#pragma once

#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>

namespace kestrel {

struct ShapesDatasetOptions {
  uint64_t seed = 0;
  std::string split = "train";  ///< train, val or test: different images of the same kind.
  int64_t num_images = 0;       ///< 0: 2000 for train, else 200.
  int64_t image_size = 256;     ///< Longer side; the other is 3/4 of it or more.
  int64_t min_objects = 2, max_objects = 7;
  double min_size = 36, max_size = 150;  ///< Diameter of an object in pixels.
  double noise = 10;                     ///< Amplitude of the pixel noise in grey levels.
  std::vector<std::string> classes{};    ///< Shapes to draw; empty: all of them.

  template <class V>
  void visit(V& v) {
    v("seed", seed);
    v("split", split);
    v("num_images", num_images);
    v("image_size", image_size);
    v("min_objects", min_objects);
    v("max_objects", max_objects);
    v("min_size", min_size);
    v("max_size", max_size);
    v("noise", noise);
    v("classes", classes);
  }
};

/// Generated pictures of shapes, for a machine with nothing on it: circles, rectangles, triangles,
/// stars, crosses and rings of several textures that overlap on a textured, noisy background.
/// Boxes, areas and masks (run lengths) are those of the visible part, of which at least half is
/// there. An image depends on (seed, split, index) and the options alone.
class ShapesDataset : public Dataset {
 public:
  explicit ShapesDataset(const ShapesDatasetOptions& options = {});
  Image load(int64_t index) const override;

 private:
  ShapesDatasetOptions options_;
  std::vector<int> kinds_;  // by label
};

/// Names of all of the shapes.
const std::vector<std::string>& shape_names();

}  // namespace kestrel
