#include <gtest/gtest.h>

#include <cstdlib>

#include <kestrel/data/build_dataset.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using test::contains;
using test::error_of;

CocoDatasetOptions coco(const std::filesystem::path& path, Split split) {
  return std::get<CocoDatasetOptions>(recognise(path, split));
}
VocDatasetOptions voc(const std::filesystem::path& path, Split split) {
  return std::get<VocDatasetOptions>(recognise(path, split));
}

TEST(Recognise, TheTreeOfCoco2017) {
  const test::TempDir dir;
  for (const char* name : {"instances_train2017", "instances_val2017", "captions_train2017",
                           "person_keypoints_train2017"}) {
    dir.write("annotations/" + std::string(name) + ".json", "{}");
  }
  std::filesystem::create_directories(dir / "train2017");
  std::filesystem::create_directories(dir / "val2017");
  EXPECT_EQ(coco(dir.path(), Split::Train).ann_file,
            (dir / "annotations/instances_train2017.json").string());
  EXPECT_EQ(coco(dir.path(), Split::Train).img_prefix, (dir / "train2017").string());
  EXPECT_EQ(coco(dir.path(), Split::Val).img_prefix, (dir / "val2017").string());
  EXPECT_EQ(coco(dir.path(), Split::Test).img_prefix, (dir / "val2017").string());
}

TEST(Recognise, OtherCocoTrees) {
  const test::TempDir dir;
  dir.write("annotations/train.json", "{}");
  dir.write("annotations/valid.json", "{}");
  EXPECT_EQ(coco(dir.path(), Split::Val).img_prefix, dir.path().string());
  std::filesystem::create_directories(dir / "images");
  EXPECT_EQ(coco(dir.path(), Split::Val).img_prefix, (dir / "images").string());
  std::filesystem::create_directories(dir / "images/valid");
  EXPECT_EQ(coco(dir.path(), Split::Val).img_prefix, (dir / "images/valid").string());
  std::filesystem::remove(dir / "annotations/train.json");
  const std::string why = error_of<DataError>([&] { recognise(dir.path(), Split::Train); });
  EXPECT_TRUE(contains(why, "train part; there are 'valid.json'")) << why;
}

TEST(Recognise, VocTreesAtAnyDepth) {
  for (const std::string below : {"", "VOC2012/", "VOCdevkit/VOC2007/"}) {
    const test::TempDir dir;
    std::filesystem::create_directories(dir / (below + "JPEGImages"));
    std::filesystem::create_directories(dir / (below + "Annotations"));
    dir.write(below + "ImageSets/Main/trainval.txt", "1\n");
    dir.write(below + "ImageSets/Main/test.txt", "2\n");
    EXPECT_EQ(voc(dir.path(), Split::Train).ann_file,
              (dir / (below + "ImageSets/Main/trainval.txt")).string());
    EXPECT_EQ(voc(dir.path(), Split::Val).ann_file,
              (dir / (below + "ImageSets/Main/test.txt")).string());
    dir.write(below + "ImageSets/Main/train.txt", "1\n");
    EXPECT_EQ(voc(dir.path(), Split::Train).ann_file,
              (dir / (below + "ImageSets/Main/train.txt")).string());
  }
}

TEST(Recognise, YoloDataSetsByTheirYaml) {
  const test::TempDir dir;
  dir.write("other.yaml", "a: 1\n");
  const std::string file = dir.write("blood.yaml", "train: images/train\nnames: [a, b]\n");
  for (const auto& path : {dir.path(), std::filesystem::path(file)}) {
    const auto options = std::get<YoloDatasetOptions>(recognise(path, Split::Val));
    EXPECT_EQ(options.ann_file, file);
    EXPECT_EQ(options.split, "val");
  }
  EXPECT_EQ(find_dataset(file), file);
  const Config config = to_config(recognise(file, Split::Train));
  EXPECT_EQ(config.at("type").as_string(), "YOLODataset");
}

TEST(Recognise, SaysWhatItExpects) {
  const test::TempDir dir;
  dir.write("readme.txt", "nothing");
  const std::string why =
      error_of<DataError>([&] { open_dataset({.name_or_path = dir.path().string()}); });
  for (const char* part :
       {"annotations/instances_train2017.json", "JPEGImages", "ImageSets/Main"}) {
    EXPECT_TRUE(contains(why, part)) << why;
  }
  EXPECT_TRUE(contains(error_of<DataError>([] { open_dataset({.name_or_path = "/no/where"}); }),
                       "/no/where"));
  EXPECT_THROW(open_dataset({.name_or_path = ""}), UsageError);
}

TEST(FindDataset, LooksIntoTheRootOfTheEnvironment) {
  const test::TempDir dir;
  std::filesystem::create_directories(dir / "kites/annotations");
  unsetenv("KESTREL_DATA");
  const auto find = [] { return find_dataset("kites"); };
  std::string why = error_of<DataError>(find);
  EXPECT_TRUE(contains(why, "'data/kites'") && contains(why, "$KESTREL_DATA is not set")) << why;
  setenv("KESTREL_DATA", "/elsewhere", 1);
  why = error_of<DataError>(find);
  EXPECT_TRUE(contains(why, "'/elsewhere/kites'")) << why;
  setenv("KESTREL_DATA", dir.path().c_str(), 1);
  EXPECT_EQ(find_dataset("kites"), dir / "kites");
  unsetenv("KESTREL_DATA");
}

TEST(OpenDataset, GeneratesShapes) {
  const auto train = open_dataset({.name_or_path = "shapes", .num_images = 4});
  const auto val = open_dataset({.name_or_path = "shapes",
                                 .split = Split::Val,
                                 .classes = {"ring", "star"},
                                 .num_images = 4});
  EXPECT_EQ(train->size(), 4);
  EXPECT_EQ(train->num_classes(), 6);
  EXPECT_EQ(val->class_names(), (std::vector<std::string>{"ring", "star"}));
}

const char* kPipeline = ", pipeline: [{type: Resize, img_scale: [64, 64]}]}";

TEST(BuildDataset, FromConfigsOfEveryKind) {
  const auto build = [](const std::string& text, bool test_mode = false) {
    return build_dataset(Config::parse(text, "x.yaml"), test_mode);
  };
  const std::string shapes = std::string("{type: ShapesDataset, num_images: 3") + kPipeline;
  EXPECT_EQ(build(shapes).dataset->size(), 3);
  EXPECT_EQ(build(shapes, true).dataset->size(), 3);
  const auto repeated = build("{type: RepeatDataset, times: 4, dataset: " + shapes + "}");
  EXPECT_EQ(repeated.dataset->size(), 12);
  EXPECT_EQ(repeated.dataset->load(7), repeated.dataset->load(1));
  EXPECT_EQ(repeated.dataset->info(7).id, repeated.dataset->info(1).id);
  EXPECT_EQ(
      build("{type: ConcatDataset, datasets: [" + shapes + ", " + shapes + "]}").dataset->size(),
      6);
  Sample sample(test::test_image(32, 32));
  Philox random(0);
  repeated.pipeline.apply(sample, random);
  EXPECT_EQ(sample.meta.img_width, 64);
}

TEST(BuildDataset, ListsOfFilesAreJoined) {
  const test::TempDir dir;
  const char* file = R"({"images": [{"id": 1, "file_name": "a.png", "width": 10, "height": 10}],
    "annotations": [], "categories": [{"id": 1, "name": "thing"}]})";
  dir.write("a.json", file);
  dir.write("b.json", file);
  const std::string root = dir.path().string();
  const Config node = Config::parse("{type: CocoDataset, data_root: " + root +
                                    ", ann_file: [a.json, b.json]" + kPipeline);
  EXPECT_EQ(build_dataset(node, true).dataset->size(), 2);  // test_mode keeps small, empty images
  EXPECT_THROW(build_dataset(node, false), DataError);
}

TEST(BuildDataset, StrictReachesTheInnermostSets) {
  Config node = Config::parse(
      "{type: RepeatDataset, times: 2, dataset: {type: ConcatDataset, datasets: [{type: "
      "CocoDataset}, "
      "{type: ShapesDataset}]}}");
  make_strict(node);
  const auto parts = node.at("dataset").at("datasets").items();
  EXPECT_TRUE(parts[0].at("strict").as_bool());
  EXPECT_FALSE(parts[1].contains("strict"));
  EXPECT_FALSE(node.contains("strict"));
}

TEST(BuildDataset, SaysWhereTheConfigIsWrong) {
  const auto why = [](const std::string& text) {
    return error_of<UsageError>([&] { build_dataset(Config::parse(text, "x.yaml"), false); });
  };
  EXPECT_TRUE(contains(why("{type: ShapesDataset}"), "pipeline"));
  EXPECT_TRUE(contains(why(std::string("{type: CocoDatset") + kPipeline), "CocoDataset"));
  EXPECT_TRUE(contains(why(std::string("{type: CocoDataset, annfile: x") + kPipeline), "ann_file"));
}

}  // namespace
}  // namespace kestrel
