#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <kestrel/data/datasets/coco_index_cache.h>
#include <kestrel/data/datasets/shapes.h>
#include <kestrel/inference/detector.h>

namespace kestrel::test {

/// The pictures that the files are about.
inline ShapesDataset compat_pictures() {
  return ShapesDataset(
      {.split = "val", .num_images = 4, .image_size = 64, .min_size = 16, .max_size = 40});
}

/// The five highest scores of the first picture.
inline std::vector<float> compat_scores(Detector& detector) {
  std::vector<float> scores;
  for (const Object& object :
       detector.detect(compat_pictures().load(0), {.score_threshold = 0.0F})) {
    scores.push_back(object.score);
  }
  std::ranges::sort(scores, std::greater<>());
  scores.resize(std::min<size_t>(scores.size(), 5));
  return scores;
}

/// Annotations as large as those that have a cache.
inline void write_padded(const std::filesystem::path& annotations,
                         const std::filesystem::path& padded) {
  std::ifstream in(annotations, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  text.resize(kSmallestCachedFile, ' ');
  std::ofstream(padded, std::ios::binary) << text;
}

}  // namespace kestrel::test
