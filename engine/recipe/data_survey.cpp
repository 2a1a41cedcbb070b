#include <kestrel/engine/recipe/data_survey.h>

#include <algorithm>
#include <cmath>

namespace kestrel {
namespace {

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

double area_of(const ObjectSize& size) {
  return size.width * size.height;
}

constexpr int64_t kMostRounds = 50;
/// K-means looks at no more objects: the others are skipped evenly.
constexpr size_t kMostObjects = 20'000;

}  // namespace

int64_t DataSurvey::objects() const {
  int64_t count = 0;
  for (const auto& of_class : sizes) count += std::ssize(of_class);
  return count;
}

double DataSurvey::smallest_class() const {
  const int64_t least = std::max<int64_t>(1, objects() / 100);
  double smallest = 0;
  for (const auto& of_class : sizes) {
    if (std::ssize(of_class) < least) continue;
    std::vector<double> sides;
    for (const ObjectSize& size : of_class) sides.push_back(std::sqrt(area_of(size)));
    const double side = median_of(std::move(sides));
    smallest = smallest > 0 ? std::min(smallest, side) : side;
  }
  return smallest;
}

DataSurvey survey(const Dataset& dataset) {
  DataSurvey result;
  result.images = dataset.size();
  result.classes = dataset.class_names();
  result.sizes.resize(result.classes.size());
  std::vector<double> widths, heights;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo& image = dataset.info(i);
    widths.push_back(static_cast<double>(image.width));
    heights.push_back(static_cast<double>(image.height));
    const double side = std::min(widths.back(), heights.back());
    for (const Annotation& object : dataset.annotations(i)) {
      const auto& [x, y, w, h] = object.bbox;
      if (!object.is_object() || !(w > 0 && h > 0 && side > 0)) continue;
      result.sizes[static_cast<size_t>(object.label)].push_back({w / side, h / side});
    }
  }
  result.image_width = median_of(std::move(widths));
  result.image_height = median_of(std::move(heights));
  return result;
}

double size_overlap(const ObjectSize& a, const ObjectSize& b) {
  const double both = std::min(a.width, b.width) * std::min(a.height, b.height);
  return both / (area_of(a) + area_of(b) - both);
}

std::vector<ObjectSize> typical_sizes(const DataSurvey& survey, int64_t k) {
  std::vector<ObjectSize> all;
  for (const auto& of_class : survey.sizes) all.insert(all.end(), of_class.begin(), of_class.end());
  std::ranges::sort(all, {}, area_of);
  if (all.size() > kMostObjects) {
    std::vector<ObjectSize> some;
    for (size_t i = 0; i < kMostObjects; ++i) some.push_back(all[i * all.size() / kMostObjects]);
    all = std::move(some);
  }
  const size_t count = std::min(all.size(), static_cast<size_t>(std::max<int64_t>(k, 0)));
  std::vector<ObjectSize> centres;
  for (size_t i = 0; i < count; ++i) centres.push_back(all[(2 * i + 1) * all.size() / (2 * count)]);
  for (int64_t round = 0; round < kMostRounds; ++round) {
    std::vector<ObjectSize> sums(count);
    std::vector<double> members(count);
    for (const ObjectSize& size : all) {
      const auto nearest = std::ranges::max_element(
          centres, {}, [&](const ObjectSize& centre) { return size_overlap(size, centre); });
      const auto at = static_cast<size_t>(nearest - centres.begin());
      sums[at].width += size.width;
      sums[at].height += size.height;
      members[at] += 1;
    }
    bool moved = false;
    for (size_t i = 0; i < count; ++i) {
      if (members[i] == 0) continue;
      const ObjectSize mean{sums[i].width / members[i], sums[i].height / members[i]};
      moved |= size_overlap(mean, centres[i]) < 1 - 1e-9;
      centres[i] = mean;
    }
    if (!moved) break;
  }
  std::ranges::sort(centres, {}, area_of);
  return centres;
}

}  // namespace kestrel
