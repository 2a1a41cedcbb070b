#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>

namespace kestrel {

/// Width and height of an object as shares of its picture's shorter side.
struct ObjectSize {
  double width = 0, height = 0;
};

/// What a recipe needs to know of a training set.
struct DataSurvey {
  int64_t images = 0;
  double image_width = 0, image_height = 0;  ///< Medians, in pixels; 0 of an empty set.
  std::vector<std::string> classes;
  std::vector<std::vector<ObjectSize>> sizes;  ///< Of the objects of each class.

  int64_t objects() const;
  /// The median of sqrt(width * height) of the class whose objects are smallest, of those with at
  /// least a hundredth of all objects; 0 where there is no object.
  double smallest_class() const;
};

/// Crowds, difficult objects and those without a side do not count.
DataSurvey survey(const Dataset& dataset);

/// Typical sizes: the centres that k-means finds by the overlap of boxes of one centre (Redmon and
/// Farhadi 2017), by ascending area. At most k; deterministic.
std::vector<ObjectSize> typical_sizes(const DataSurvey& survey, int64_t k);

/// Overlap of two boxes of one centre.
double size_overlap(const ObjectSize& a, const ObjectSize& b);

}  // namespace kestrel
