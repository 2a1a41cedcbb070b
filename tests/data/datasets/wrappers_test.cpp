#include <gtest/gtest.h>

#include <map>
#include <memory>

#include <kestrel/data/build_dataset.h>
#include <kestrel/data/datasets/wrappers.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

/// Eight pictures: cats in six of them, a dog in one of these, a crowd of cats in the seventh, and
/// nothing in the eighth.
class Pets final : public Dataset {
 public:
  Pets() : Dataset("pets") {
    set_classes({"cat", "dog", "owl"});
    const std::array<double, 4> box = {1, 2, 30, 40};
    for (int64_t i = 0; i < 8; ++i) {
      std::vector<Annotation> objects;
      if (i < 7) objects.push_back({.id = i + 1, .label = 0, .bbox = box, .crowd = i == 6});
      if (i == 2) objects.push_back({.id = 20, .label = 1, .bbox = box});
      add_image({.id = i + 1, .file = "p" + std::to_string(i), .width = 64, .height = 48}, objects);
    }
  }
};

std::map<int64_t, int> times_of(const Dataset& dataset) {
  std::map<int64_t, int> times;
  for (int64_t i = 0; i < dataset.size(); ++i) ++times[dataset.info(i).id - 1];
  return times;
}

TEST(ClassBalanced, RareClassesComeMoreOften) {
  const auto pets = std::make_shared<const Pets>();
  // Of cats 7 of 8, of dogs 1 of 8: sqrt(0.5 / 0.125) is 2, sqrt(0.5 / 0.875) below 1.
  auto times = times_of(*class_balanced_dataset(pets, 0.5, true));
  EXPECT_EQ(times, (std::map<int64_t, int>{
                       {0, 1}, {1, 1}, {2, 2}, {3, 1}, {4, 1}, {5, 1}, {6, 1}, {7, 1}}));
  // Nothing is a class of its own, of 1 in 8.
  EXPECT_EQ(times_of(*class_balanced_dataset(pets, 0.5, false))[7], 2);
  // By the commonest class: sqrt(7) is 2.6, and three times it is.
  times = times_of(*class_balanced_dataset(pets, 0, true));
  EXPECT_EQ(times[2], 3);
  EXPECT_EQ(times[0], 1);
  const auto balanced = class_balanced_dataset(pets, 0.5, true);
  EXPECT_EQ(balanced->info(2).id, balanced->info(3).id);  // in a row
  EXPECT_EQ(balanced->annotations(3).size(), 2u);
  EXPECT_EQ(balanced->class_names(), pets->class_names());
  EXPECT_THROW(class_balanced_dataset(pets, -1, true), UsageError);
}

TEST(ClassBalanced, IsBuiltByConfig) {
  const Config node = Config::parse(
      "{type: ClassBalancedDataset, oversample_thr: 0.001, dataset: {type: ShapesDataset, "
      "num_images: 5, image_size: 64, pipeline: [{type: LoadImageFromFile}]}}");
  const ConfiguredDataset built = build_dataset(node, false);
  EXPECT_EQ(built.dataset->size(), 5);
  EXPECT_EQ(built.dataset->load(4).width, 64);
}

}  // namespace
}  // namespace kestrel
