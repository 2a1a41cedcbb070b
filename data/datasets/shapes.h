#pragma once

#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>

namespace kestrel {

struct ShapesDatasetOptions {
  uint64_t seed = 0;
  std::string split = "train";
  int64_t num_images = 0;
  int64_t image_size = 256;
  int64_t min_objects = 2, max_objects = 7;
  double min_size = 36, max_size = 150;
  double noise = 10;
  std::vector<std::string> classes{};

  template <class V>
  void visit(V& v) {
    v("seed", seed, "other images");
    v("split", split, "train, val or test: different images of the same kind");
    v("num_images", num_images, "0: 2000 for train, else 200");
    v("image_size", image_size, "longer side in pixels; the other is 3/4 of it or more");
    v("min_objects", min_objects, "fewest objects of an image");
    v("max_objects", max_objects, "most objects of an image");
    v("min_size", min_size, "smallest diameter of an object in pixels");
    v("max_size", max_size, "largest diameter of an object in pixels");
    v("noise", noise, "amplitude of the pixel noise in grey levels");
    v("classes", classes, "shapes to draw; empty: all of them");
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
