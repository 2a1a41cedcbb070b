#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include <kestrel/data/datasets/shapes.h>
#include <kestrel/data/loader.h>
#include <kestrel/data/transforms/normalize.h>
#include <kestrel/data/transforms/pad.h>
#include <kestrel/data/transforms/random_flip.h>
#include <kestrel/data/transforms/resize.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using test::Warnings;

// Images of given sizes, each with one box; those in `broken` do not load.
class FakeDataset : public Dataset {
 public:
  explicit FakeDataset(std::vector<std::pair<int, int>> sizes, std::set<int64_t> broken = {})
      : Dataset("fake"), broken_(std::move(broken)) {
    set_classes({"thing"});
    for (const auto& [w, h] : sizes) {
      Annotation a;
      a.bbox = {1, 1, 5, 5};
      add_image(
          {.id = size() + 1, .file = "image" + std::to_string(size()), .width = w, .height = h},
          {a});
    }
  }
  Image load(int64_t index) const override {
    if (broken_.contains(index)) fail<DataError>("[image] ", info(index).file, ": is broken");
    return test::test_image(info(index).height, info(index).width, static_cast<int>(index));
  }

 private:
  std::set<int64_t> broken_;
};

std::vector<std::pair<int, int>> mixed_sizes(int wide, int tall) {
  std::vector<std::pair<int, int>> sizes;
  for (int i = 0; i < wide; ++i) sizes.emplace_back(40 + i, 32);
  for (int i = 0; i < tall; ++i) sizes.emplace_back(32, 32 + i);  // a square is not wide
  return sizes;
}

Pipeline train_pipeline() {
  return Pipeline()
      .add<Resize>(ResizeOptions{.img_scale = {{64, 32}, {96, 64}}})
      .add<RandomFlip>(RandomFlipOptions{.flip_ratio = {{0.5}}})
      .add<Normalize>(NormalizeOptions{})
      .add<Pad>(PadOptions{.size_divisor = 16});
}

uint64_t hash(const Batch& batch) {
  uint64_t hash = 0xCBF29CE484222325u;
  const auto add = [&](const void* data, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) {
      hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001B3u;
    }
  };
  add(batch.images.raw(), batch.images.bytes());
  for (const GroundTruth& t : batch.truths) add(t.boxes.raw(), t.boxes.bytes());
  for (const ImageMeta& m : batch.metas) add(&m.id, sizeof(m.id));
  return hash;
}

std::vector<uint64_t> hashes(Loader& loader, uint64_t epoch, int64_t first = 0) {
  std::vector<uint64_t> out;
  loader.start_epoch(epoch, first);
  while (const auto batch = loader.next()) out.push_back(hash(*batch));
  return out;
}

TEST(GroupSampler, BatchesAreOfOneGroupAndEveryImageComes) {
  const FakeDataset d(mixed_sizes(7, 6));
  const GroupSampler sampler(d, 4, 11);
  const auto order = sampler.order(0);
  ASSERT_EQ(order.size(), 16u);  // 7 -> 8, 6 -> 8
  std::map<int64_t, int> times;
  for (size_t i = 0; i < order.size(); ++i) {
    EXPECT_EQ(d.group(order[i]), d.group(order[i / 4 * 4]));
    ++times[order[i]];
  }
  EXPECT_EQ(times.size(), 13u);
  EXPECT_EQ(sampler.order(0), order);
  EXPECT_NE(sampler.order(1), order);
  EXPECT_NE(GroupSampler(d, 4, 12).order(0), order);
  // Batches of both groups come in any order.
  std::set<int64_t> first_groups;
  for (uint64_t epoch = 0; epoch < 30; ++epoch)
    first_groups.insert(d.group(sampler.order(epoch)[0]));
  EXPECT_EQ(first_groups.size(), 2u);
  EXPECT_THROW(GroupSampler(d, 0, 0), UsageError);
}

TEST(GroupSampler, AGroupSmallerThanABatchIsRepeated) {
  const FakeDataset d(mixed_sizes(1, 0));
  EXPECT_EQ(GroupSampler(d, 4, 0).order(0), (std::vector<int64_t>{0, 0, 0, 0}));
}

TEST(Samplers, SequentialAndRandomGoThroughAll) {
  const FakeDataset d(mixed_sizes(3, 2));
  EXPECT_EQ(SequentialSampler(d).order(5), (std::vector<int64_t>{0, 1, 2, 3, 4}));
  auto order = RandomSampler(d, 1).order(0);
  std::ranges::sort(order);
  EXPECT_EQ(order, (std::vector<int64_t>{0, 1, 2, 3, 4}));
}

TEST(Loader, BatchesDoNotDependOnTheNumberOfThreads) {
  const ShapesDataset d({.num_images = 12, .image_size = 64, .max_objects = 3, .min_size = 12});
  const GroupSampler sampler(d, 3, 7);
  std::vector<uint64_t> expected;
  for (const int64_t workers : {0, 1, 2, 8}) {
    Loader loader(d, train_pipeline(), sampler, {.batch_size = 3, .workers = workers, .seed = 7});
    const auto first = hashes(loader, 0);
    const auto second = hashes(loader, 1);
    EXPECT_NE(first, second);
    EXPECT_EQ(hashes(loader, 0), first);
    if (workers == 0) {
      expected = first;
      EXPECT_EQ(static_cast<int64_t>(first.size()), loader.num_batches());
    }
    EXPECT_EQ(first, expected) << workers;
  }
}

TEST(Loader, ResumesWithinAnEpoch) {
  const FakeDataset d(mixed_sizes(9, 9));
  const GroupSampler sampler(d, 2, 0);
  for (const int64_t workers : {0, 2}) {
    Loader loader(d, train_pipeline(), sampler, {.workers = workers});
    const auto all = hashes(loader, 3);
    const auto rest = hashes(loader, 3, 4);
    EXPECT_EQ(rest, std::vector<uint64_t>(all.begin() + 4, all.end()));
    EXPECT_TRUE(hashes(loader, 3, 1000).empty());
  }
}

TEST(Loader, AnEpochMayBeGivenUp) {
  const FakeDataset d(mixed_sizes(20, 20));
  const GroupSampler sampler(d, 2, 0);
  Loader reference(d, train_pipeline(), sampler, {.workers = 0});
  const auto expected = hashes(reference, 1);
  Loader loader(d, train_pipeline(), sampler, {.workers = 4});
  EXPECT_FALSE(loader.next());  // no epoch begun
  for (int round = 0; round < 20; ++round) {
    loader.start_epoch(0);
    for (int i = 0; i < round % 5; ++i) loader.next();
  }
  EXPECT_EQ(hashes(loader, 1), expected);
  loader.start_epoch(2);  // and is destroyed while it works
}

TEST(Loader, ABadImageIsReplacedByOneOfItsGroup) {
  const FakeDataset d(mixed_sizes(6, 6), {0, 3, 7});
  const GroupSampler sampler(d, 2, 0);
  std::vector<uint64_t> expected;
  for (const int64_t workers : {0, 3}) {
    const Warnings warnings;
    Loader loader(d, train_pipeline(), sampler, {.workers = workers});
    loader.start_epoch(0);
    std::vector<uint64_t> got;
    while (const auto batch = loader.next()) {
      got.push_back(hash(*batch));
      ASSERT_EQ(batch->metas.size(), 2u);
      EXPECT_EQ(batch->metas[0].id <= 6, batch->metas[1].id <= 6);
      for (const ImageMeta& m : batch->metas) {
        EXPECT_TRUE(m.id != 1 && m.id != 4 && m.id != 8) << m.id;
      }
    }
    EXPECT_GE(loader.stats().bad_images, 3);
    EXPECT_EQ(loader.stats().images, 12);
    EXPECT_EQ(warnings.count(), 4u);  // each once, and the count at the end
    EXPECT_TRUE(warnings.has({"3 of 12 images cannot be used and are left out"}));
    EXPECT_TRUE(warnings.has({"image 4", "image3: is broken"}));
    if (workers == 0) expected = got;
    EXPECT_EQ(got, expected);
  }
}

TEST(Loader, InEvaluationABadImageIsSkipped) {
  const FakeDataset d(mixed_sizes(5, 0), {1, 2, 3});
  const SequentialSampler sampler(d);
  const Warnings warnings;
  Loader loader(d, train_pipeline(), sampler, {.workers = 2, .bad_image = BadImage::Skip});
  loader.start_epoch(0);
  std::vector<int64_t> ids;
  int batches = 0;
  while (const auto batch = loader.next()) {
    ++batches;
    for (const ImageMeta& m : batch->metas) ids.push_back(m.id);
  }
  EXPECT_EQ(ids, (std::vector<int64_t>{1, 5}));
  EXPECT_EQ(batches, 2);  // the batch of the third and fourth is not there at all
  EXPECT_EQ(warnings.count(), 4u);
  loader.start_epoch(1);
  while (loader.next()) {
  }
  EXPECT_EQ(warnings.count(), 4u);  // nothing new
}

TEST(Loader, ErrorsReachTheConsumerAtTheirBatch) {
  const FakeDataset d(mixed_sizes(8, 0), {4});
  const SequentialSampler sampler(d);
  for (const int64_t workers : {0, 2}) {
    Loader loader(d, train_pipeline(), sampler, {.workers = workers, .bad_image = BadImage::Throw});
    loader.start_epoch(0);
    EXPECT_TRUE(loader.next());
    EXPECT_TRUE(loader.next());
    EXPECT_THROW(loader.next(), DataError);
    EXPECT_TRUE(loader.next());  // goes on after it
    EXPECT_FALSE(loader.next());
  }
}

class StrictDataset : public FakeDataset {
 public:
  StrictDataset() : FakeDataset(mixed_sizes(3, 0), {1}) { set_strict(true); }
};

TEST(Loader, AStrictDataSetsBadImageIsAnError) {
  const StrictDataset d;
  const SequentialSampler sampler(d);
  for (const BadImage bad : {BadImage::Substitute, BadImage::Skip}) {
    Loader loader(d, train_pipeline(), sampler, {.batch_size = 1, .bad_image = bad});
    loader.start_epoch(0);
    EXPECT_TRUE(loader.next());
    EXPECT_THROW(loader.next(), DataError);
  }
}

// Turned after it was annotated.
class TurnedDataset : public FakeDataset {
 public:
  TurnedDataset() : FakeDataset({{40, 32}, {41, 32}}) {}
  Image load(int64_t index) const override {
    return index == 0 ? test::test_image(40, 32) : FakeDataset::load(index);
  }
};

TEST(Loader, TellsOfImagesThatAreNotAsAnnotated) {
  const TurnedDataset d;
  const SequentialSampler sampler(d);
  const Warnings warnings;
  Loader loader(d, train_pipeline(), sampler, {.workers = 0});
  for (uint64_t epoch = 0; epoch < 2; ++epoch) {
    loader.start_epoch(epoch);
    EXPECT_EQ(loader.next()->metas.size(), 2u);
  }
  EXPECT_EQ(warnings.count(), 1u);
  EXPECT_TRUE(warnings.has({"image0: is 32x40 pixels, but its annotations are for 40x32"}));
}

TEST(Loader, GivesUpWhereNothingLoads) {
  const FakeDataset d(mixed_sizes(2, 0), {0, 1});
  const SequentialSampler sampler(d);
  const Warnings warnings;
  Loader loader(d, train_pipeline(), sampler, {.workers = 1});
  loader.start_epoch(0);
  const std::string why = test::error_of<DataError>([&] { loader.next(); });
  EXPECT_TRUE(test::contains(why,
                             "no image of this orientation could be used: 2 of 2 were tried; "
                             "the first: "))
      << why;
}

// A transform that cannot do with half of the samples.
struct Picky : Transform {
  bool apply(Sample&, Philox& random) const override { return random.uniform() < 0.5; }
};
struct PickyOptions {};
struct PickyTransform : Picky {
  explicit PickyTransform(const PickyOptions&) {}
};

TEST(Loader, ASampleThatATransformRefusesIsReplaced) {
  const FakeDataset d(mixed_sizes(20, 0));
  const SequentialSampler sampler(d);
  const Warnings warnings;
  Loader loader(d, Pipeline().add<PickyTransform>(PickyOptions{}), sampler, {});
  loader.start_epoch(0);
  int64_t images = 0;
  while (const auto batch = loader.next()) images += static_cast<int64_t>(batch->metas.size());
  EXPECT_EQ(images, 20);
  EXPECT_EQ(warnings.count(), 0u);
  EXPECT_EQ(loader.stats().bad_images, 0);
}

TEST(Loader, TheLastBatchMayBeSmaller) {
  const FakeDataset d(mixed_sizes(5, 0));
  const SequentialSampler sampler(d);
  Loader loader(d, train_pipeline(), sampler, {.batch_size = 4});
  loader.start_epoch(0);
  EXPECT_EQ(loader.num_batches(), 2);
  EXPECT_EQ(loader.next()->metas.size(), 4u);
  EXPECT_EQ(loader.next()->metas.size(), 1u);
  EXPECT_FALSE(loader.next());
  const LoaderStats stats = loader.stats();
  EXPECT_EQ(stats.batches, 2);
  EXPECT_EQ(stats.images, 5);
  EXPECT_GE(stats.wait_share(), 0);
  EXPECT_LE(stats.wait_share(), 1);
}

TEST(Loader, RefusesWhatMakesNoSense) {
  const FakeDataset d(mixed_sizes(2, 0));
  const SequentialSampler sampler(d);
  EXPECT_THROW(Loader(d, Pipeline(), sampler, {.batch_size = 0}), UsageError);
  EXPECT_THROW(Loader(d, Pipeline(), sampler, {.workers = -1}), UsageError);
}

}  // namespace
}  // namespace kestrel
