#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>

#include <kestrel/data/datasets/coco.h>
#include <kestrel/data/datasets/coco_index_cache.h>
#include <kestrel/data/file.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using nlohmann::json;
using test::contains;
using test::error_of;
using test::Warnings;

/// A data set whose annotation file is large enough for a cache, by blanks.
class CocoIndexCache : public testing::Test {
 protected:
  CocoIndexCache() {
    std::filesystem::create_directories(dir_ / "images");
    write(file());
  }

  static json file() {
    return json::parse(R"({
      "images": [{"id": 7, "file_name": "b.jpg", "width": 100, "height": 80},
                 {"id": 3, "file_name": "a.jpg", "width": 80, "height": 100},
                 {"id": 4, "file_name": "empty.jpg", "width": 64, "height": 64}],
      "categories": [{"id": 5, "name": "dog"}, {"id": 2, "name": "cat"}],
      "annotations": [
        {"id": 1, "image_id": 3, "category_id": 2, "bbox": [10, 20, 30, 40], "area": 700.5},
        {"id": 2, "image_id": 7, "category_id": 5, "bbox": [0.5, 0.25, 10, 10], "iscrowd": 0},
        {"id": 3, "image_id": 7, "category_id": 5, "bbox": [5, 5, 50, 50], "iscrowd": 1},
        {"id": 4, "image_id": 3, "category_id": 5, "bbox": [1, 2, 3, 4], "ignore": 1}]})");
  }
  void write(const json& content, size_t size = kSmallestCachedFile + 100) const {
    std::string text = content.dump();
    text.resize(std::max(size, text.size()), ' ');
    dir_.write("ann.json", text);
  }
  CocoDatasetOptions options() const {
    return {.ann_file = json_path().string(), .img_prefix = (dir_ / "images").string()};
  }
  CocoDataset open(CocoDatasetOptions o = {}) const {
    o.ann_file = json_path().string();
    o.img_prefix = (dir_ / "images").string();
    return CocoDataset(o);
  }
  std::filesystem::path json_path() const { return dir_ / "ann.json"; }
  std::filesystem::path cache() const { return index_cache_path(json_path()); }
  bool has_cache() const { return std::filesystem::exists(cache()); }
  /// Replaces what the cache says of image 7's first object, so that it can be told where it came
  /// from; keys and checksums are right.
  void mark_cache() const {
    auto bytes = read_file("test", cache());
    const auto found = parse_index_cache(bytes);
    ASSERT_TRUE(found);
    std::vector<CocoIndex::Object> objects(found->index.objects.begin(),
                                           found->index.objects.end());
    objects[0].bbox[0] = 11;
    CachedIndex changed = *found;
    changed.index.objects = objects;
    write_file("test", cache(), encode_index_cache(changed));
  }
  static bool is_marked(const CocoDataset& d) { return d.annotations(0)[0].bbox[0] == 11; }

  test::TempDir dir_;
};

void expect_equal(const CocoDataset& a, const CocoDataset& b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(a.class_names(), b.class_names());
  for (int64_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a.info(i).id, b.info(i).id);
    EXPECT_EQ(a.info(i).file, b.info(i).file);
    EXPECT_EQ(a.info(i).width, b.info(i).width);
    const auto x = a.annotations(i), y = b.annotations(i);
    ASSERT_EQ(x.size(), y.size());
    for (size_t k = 0; k < x.size(); ++k) {
      EXPECT_EQ(x[k].id, y[k].id);
      EXPECT_EQ(x[k].label, y[k].label);
      EXPECT_EQ(x[k].bbox, y[k].bbox);
      EXPECT_EQ(x[k].area, y[k].area);
      EXPECT_EQ(x[k].crowd, y[k].crowd);
      EXPECT_EQ(x[k].trainable, y[k].trainable);
    }
  }
}

TEST_F(CocoIndexCache, GivesWhatTheFileGives) {
  const CocoDataset plain = open({.index_cache = false});
  EXPECT_FALSE(has_cache());
  const CocoDataset first = open();
  ASSERT_TRUE(has_cache());
  expect_equal(first, plain);
  expect_equal(open(), plain);
  mark_cache();
  EXPECT_TRUE(is_marked(open()));
  EXPECT_FALSE(is_marked(open({.index_cache = false})));
  EXPECT_FALSE(is_marked(open({.with_mask = true})));  // masks are not in the cache
}

TEST_F(CocoIndexCache, OptionsAreAppliedAfterIt) {
  open();
  mark_cache();
  const CocoDataset cats = open({.classes = {"cat"}});
  EXPECT_EQ(cats.size(), 1);
  EXPECT_EQ(cats.category_id(0), 2);
  EXPECT_EQ(open({.test_mode = true}).size(), 3);
  EXPECT_TRUE(is_marked(open({.classes = {"dog"}})));
  EXPECT_TRUE(contains(error_of<DataError>([&] { open({.classes = {"dgo"}}); }),
                       "no class 'dgo'; there are 'dog', 'cat'"));
}

TEST_F(CocoIndexCache, SmallFilesHaveNone) {
  write(file(), 0);
  open();
  EXPECT_FALSE(has_cache());
}

TEST_F(CocoIndexCache, AnotherContentIsReadAgain) {
  open();
  mark_cache();
  json other = file();
  other["images"][0]["file_name"] = "c.jpg";
  struct stat before {};
  ASSERT_EQ(stat(json_path().c_str(), &before), 0);
  write(other);  // of the same size
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, json_path().c_str(), times, 0), 0);  // and time
  const CocoDataset d = open();
  EXPECT_FALSE(is_marked(d));
  EXPECT_EQ(d.info(0).file, (dir_ / "images/c.jpg").string());
  expect_equal(open(), d);
  write(file(), kSmallestCachedFile + 101);
  EXPECT_EQ(open().info(0).file, (dir_ / "images/b.jpg").string());
}

TEST_F(CocoIndexCache, TheSameContentAtAnotherTimeIsNotReadAgain) {
  open();
  mark_cache();
  write(file());
  EXPECT_TRUE(is_marked(open()));
  const auto found = parse_index_cache(read_file("test", cache()));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->key.stamp, current_key(json_path()).stamp);  // as of now
}

TEST_F(CocoIndexCache, EveryDamageIsNoticed) {
  open();
  const auto good = read_file("test", cache());
  ASSERT_TRUE(parse_index_cache(good));
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(parse_index_cache(std::span(good).first(size))) << size;
  }
  for (size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto bad = good;
      bad[at] ^= std::byte{1} << bit;
      EXPECT_FALSE(parse_index_cache(bad)) << at << ' ' << bit;
    }
  }
  auto longer = good;
  longer.resize(good.size() + 8);
  EXPECT_FALSE(parse_index_cache(longer));
}

TEST_F(CocoIndexCache, ADamagedOneIsReplaced) {
  const CocoDataset d = open();
  const auto good = read_file("test", cache());
  for (const std::string bad : {"", "hello", "KESTRELI"}) {
    dir_.write("ann.json.kestrel-index", bad);
    const Warnings warnings;
    expect_equal(open(), d);
    EXPECT_EQ(warnings.count(), 0u);
    EXPECT_TRUE(parse_index_cache(read_file("test", cache())));
  }
  std::filesystem::remove(cache());
  std::filesystem::create_directories(cache() / "folder");  // cannot be replaced
  expect_equal(open(), d);
}

// A cache with right checksums whose numbers contradict each other.
TEST_F(CocoIndexCache, NonsenseIsNoticed) {
  open();
  const auto bytes = read_file("test", cache());
  const auto good = parse_index_cache(bytes);
  ASSERT_TRUE(good);
  using Images = std::vector<CocoIndex::Image>;
  using Objects = std::vector<CocoIndex::Object>;
  const auto parses = [&](auto&& change) {
    Images images(good->index.images.begin(), good->index.images.end());
    Objects objects(good->index.objects.begin(), good->index.objects.end());
    change(images, objects);
    CachedIndex changed = *good;
    changed.index.images = images;
    changed.index.objects = objects;
    return parse_index_cache(encode_index_cache(changed)).has_value();
  };
  EXPECT_TRUE(parses([](Images&, Objects&) {}));
  EXPECT_FALSE(parses([](Images& images, Objects&) { images[0].objects_end = 5; }));
  EXPECT_FALSE(parses([](Images& images, Objects&) { images[1].objects_end = 1; }));
  EXPECT_FALSE(parses([](Images& images, Objects&) { images[1].name_end = 0; }));
  EXPECT_FALSE(parses([](Images& images, Objects&) { images[2].name_end = uint64_t{1} << 63; }));
  EXPECT_FALSE(parses([](Images& images, Objects&) { images[2].width = -1; }));
  EXPECT_FALSE(parses([](Images&, Objects& objects) { objects[1].category = 2; }));
  EXPECT_FALSE(parses([](Images&, Objects& objects) { objects[1].bbox[2] = std::nan(""); }));
  EXPECT_FALSE(parses([](Images&, Objects& objects) { objects.pop_back(); }));
}

TEST_F(CocoIndexCache, ComplaintsAreRepeated) {
  json bad = file();
  for (int i = 0; i < 150; ++i) bad["annotations"].push_back({{"id", 10 + i}});
  write(bad);
  std::vector<std::string> first;
  for (const bool from_cache : {false, true}) {
    EXPECT_EQ(has_cache(), from_cache);
    const Warnings warnings;
    const CocoDataset d = open();
    EXPECT_EQ(d.num_dropped(), 150);
    EXPECT_EQ(warnings.count(), 101u);
    EXPECT_TRUE(warnings.has({"ann.json: annotation 10 has no image_id", "; dropped"}));
    EXPECT_TRUE(warnings.has({"and 50 more"}));
    if (from_cache) {
      EXPECT_EQ(warnings.texts(), first);
    }
    first = warnings.texts();
  }
  const std::string why = error_of<DataError>([&] { open({.strict = true}); });
  EXPECT_TRUE(contains(why, "annotation 10 has no image_id")) << why;
}

TEST_F(CocoIndexCache, AFolderThatCannotBeWrittenGoesWithout) {
  // Not by permissions, which mean nothing to root: the name to write under is taken.
  std::filesystem::create_directories(cache().string() + "." + std::to_string(getpid()) + ".part");
  const Warnings warnings;
  EXPECT_EQ(open().size(), 2);
  EXPECT_EQ(warnings.count(), 0u);
  EXPECT_FALSE(has_cache());
}

}  // namespace
}  // namespace kestrel
