// Which file is for which part, and where its images are.
#include <gtest/gtest.h>

#include <kestrel/data/datasets/image_folder.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using test::contains;
using test::error_of;
using test::Warnings;
using Words = std::vector<std::string>;

TEST(SplitFiles, WordsOfNames) {
  EXPECT_EQ(words_of_name("instances_val2017"), (Words{"instances", "val", "2017"}));
  EXPECT_EQ(words_of_name("myTrainSet-1.2"), (Words{"my", "train", "set", "1", "2"}));
  EXPECT_EQ(words_of_name("VAL"), Words{"val"});
  EXPECT_EQ(words_of_name("__"), Words{});
  EXPECT_EQ(part_word("valve"), "");
  EXPECT_EQ(part_word("test_train"), "train");
}

std::string chosen(const Words& names, Split split) {
  std::vector<std::filesystem::path> files;
  for (const std::string& name : names) files.emplace_back("annotations/" + name + ".json");
  const SplitFiles found = files_for(files, split);
  return found.files.empty() ? "" : found.files.front().stem().string();
}

TEST(SplitFiles, WordsInsideOtherWordsDoNotCount) {
  for (const std::string project : {"valve", "interval", "naval", "evaluation", "latest", "contest",
                                    "constrained", "strainer", "validity", "protest"}) {
    for (const auto& [train, val] : {std::pair(project + "_train", project + "_val"),
                                     std::pair("train_" + project, "val_" + project)}) {
      EXPECT_EQ(chosen({train, val}, Split::Train), train);
      EXPECT_EQ(chosen({train, val}, Split::Val), val);
      EXPECT_EQ(chosen({train, val}, Split::Test), val);
    }
  }
}

TEST(SplitFiles, AProjectMayBeNamedLikeAPart) {
  for (const Words& names : {Words{"test_train", "test_val"}, Words{"train_test", "val_test"},
                             Words{"val_train", "val_val"}, Words{"train_train", "train_val"}}) {
    EXPECT_EQ(chosen(names, Split::Train), names[0]);
    EXPECT_EQ(chosen(names, Split::Val), names[1]);
  }
}

TEST(SplitFiles, TheExactNameComesFirst) {
  EXPECT_EQ(chosen({"instances_val_small", "val"}, Split::Val), "val");
  EXPECT_EQ(chosen({"a_val", "instances_val2017", "val"}, Split::Val), "instances_val2017");
  EXPECT_EQ(chosen({"train", "train_extra"}, Split::Train), "train");
  EXPECT_EQ(
      chosen({"instances_minival2014", "instances_train2014", "instances_val2014"}, Split::Val),
      "instances_val2014");
  EXPECT_EQ(chosen({"minival", "test", "train"}, Split::Val), "minival");
  EXPECT_EQ(chosen({"train", "trainval", "test"}, Split::Train), "train");
  EXPECT_EQ(chosen({"trainval", "test"}, Split::Train), "trainval");
  EXPECT_EQ(chosen({"train", "val", "valid"}, Split::Val), "val");
}

TEST(SplitFiles, AnyCase) {
  EXPECT_EQ(chosen({"instances_Train", "instances_Validation"}, Split::Train), "instances_Train");
  EXPECT_EQ(chosen({"instances_Train", "instances_Validation"}, Split::Val),
            "instances_Validation");
  EXPECT_EQ(chosen({"FINAL_TRAIN", "FINAL_VAL"}, Split::Val), "FINAL_VAL");
}

std::string coco_naming(const std::string& image) {
  return R"({"images": [{"id": 1, "file_name": ")" + image +
         R"(", "width": 64, "height": 48}], "categories": [{"id": 1, "name": "thing"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]}]})";
}

/// A COCO tree with an image for each part.
struct PartsTree {
  test::TempDir dir;
  void add(const std::string& annotations, const std::string& name, const std::string& file) {
    dir.write("annotations/" + annotations + ".json", coco_naming(name));
    std::filesystem::create_directories((dir / file).parent_path());
    write_png(dir / file, test::test_image(48, 64));
  }
  CocoDatasetOptions find(Split split) const {
    return std::get<CocoDatasetOptions>(recognise(dir.path(), split));
  }
  /// The image of a part can be opened.
  void expect_image(Split split, const std::string& file) const {
    const auto d = open_dataset({.name_or_path = dir.path().string(), .split = split});
    ASSERT_EQ(d->size(), 1);
    EXPECT_TRUE(std::filesystem::equivalent(d->info(0).file, dir / file)) << d->info(0).file;
    EXPECT_EQ(d->load(0).width, 64);
  }
};

TEST(SplitFiles, MinivalIsNotValAndItsImagesAreWhereTheyAre) {
  PartsTree tree;
  tree.add("instances_train2014", "t.png", "train2014/t.png");
  tree.add("instances_minival2014", "m.png", "val2014/m.png");
  tree.add("instances_val2014", "v.png", "val2014/v.png");
  const Warnings warnings;
  const CocoDatasetOptions val = tree.find(Split::Val);
  EXPECT_EQ(val.ann_file, (tree.dir / "annotations/instances_val2014.json").string());
  EXPECT_TRUE(
      warnings.has({"for the val part there are 'instances_val2014.json', "
                    "'instances_minival2014.json'; taken: instances_val2014.json"}));
  tree.expect_image(Split::Train, "train2014/t.png");
  std::filesystem::remove(tree.dir / "annotations/instances_val2014.json");
  tree.expect_image(Split::Val, "val2014/m.png");
}

TEST(SplitFiles, FoldersInAnyCase) {
  PartsTree tree;
  tree.add("instances_Train", "t.png", "images/Train/t.png");
  tree.add("instances_Validation", "v.png", "images/Validation/v.png");
  EXPECT_EQ(tree.find(Split::Train).img_prefix, (tree.dir / "images/Train").string());
  tree.expect_image(Split::Val, "images/Validation/v.png");
  std::filesystem::rename(tree.dir / "annotations", tree.dir / "Annotations");
  std::filesystem::rename(tree.dir / "images", tree.dir / "Images");
  tree.expect_image(Split::Val, "Images/Validation/v.png");
}

TEST(SplitFiles, FoldersByWhereTheFilesAre) {
  PartsTree tree;
  tree.add("train", "t.png", "photos/t.png");  // a folder that says nothing
  tree.add("val", "val/v.png", "val/v.png");   // the name says the folder
  tree.add("test", "batch/1/x.png", "data/batch/1/x.png");
  const Warnings warnings;
  tree.expect_image(Split::Train, "photos/t.png");
  tree.expect_image(Split::Val, "val/v.png");
  tree.expect_image(Split::Test, "data/batch/1/x.png");
  EXPECT_EQ(warnings.count(), 0u);
}

TEST(SplitFiles, SeveralCandidatesAreTold) {
  PartsTree tree;
  tree.add("train_a", "t.png", "train/t.png");
  tree.add("train_b", "t.png", "train/t.png");
  tree.add("val", "v.png", "val/v.png");
  const Warnings warnings;
  tree.find(Split::Val);
  EXPECT_EQ(warnings.count(), 0u);
  EXPECT_TRUE(contains(tree.find(Split::Train).ann_file, "train_a.json"));
  EXPECT_TRUE(warnings.has({"[data] ",
                            "annotations: for the train part there are 'train_a.json', "
                            "'train_b.json'; taken: train_a.json"}));
}

TEST(SplitFiles, OtherAnnotationsOfTheSameImagesDoNotCount) {
  PartsTree tree;
  for (const char* kind : {"captions_val2017", "person_keypoints_val2017", "image_info_test2017",
                           "instances_val2017", "stuff_val2017"}) {
    tree.add(kind, "v.png", "val2017/v.png");
  }
  const Warnings warnings;
  EXPECT_TRUE(contains(tree.find(Split::Val).ann_file, "instances_val2017"));
  EXPECT_TRUE(contains(tree.find(Split::Test).ann_file, "instances_val2017"));
  EXPECT_EQ(warnings.count(), 0u);
}

TEST(SplitFiles, VocsListsInAnyCaseAndNotThoseOfClasses) {
  const test::TempDir dir;
  std::filesystem::create_directories(dir / "JPEGImages");
  std::filesystem::create_directories(dir / "Annotations");
  for (const char* list : {"Train", "val", "train_train", "train_val", "cat_val"}) {
    dir.write("ImageSets/Main/" + std::string(list) + ".txt", "a\n");
  }
  const Warnings warnings;
  const auto list = [&](Split split) {
    return std::filesystem::path(std::get<VocDatasetOptions>(recognise(dir.path(), split)).ann_file)
        .filename()
        .string();
  };
  EXPECT_EQ(list(Split::Train), "Train.txt");
  EXPECT_EQ(list(Split::Val), "val.txt");
  EXPECT_EQ(warnings.count(), 0u);
}

TEST(SplitFiles, OfSeveralYamlsTheChoiceIsTold) {
  const test::TempDir dir;
  for (const char* name : {"a.yaml", "Data.YAML", "b.yml"}) {
    dir.write(name, "train: images\nval: images\nnames: [x]\n");
  }
  const Warnings warnings;
  const auto found = std::get<YoloDatasetOptions>(recognise(dir.path(), Split::Train));
  EXPECT_EQ(found.ann_file, (dir / "Data.YAML").string());
  EXPECT_TRUE(warnings.has({"'Data.YAML', 'a.yaml', 'b.yml'; taken: Data.YAML"}));
}

// file_name as seen from elsewhere than the folder that the config names.
TEST(ImageFolder, ImagesAreLookedForAroundTheFolder) {
  struct Case {
    std::string name, file, said;
  };
  for (const Case& c :
       {Case{"train/x.png", "train/x.png", "train"}, Case{"train\\\\x.png", "train/x.png", ""},
        Case{"/home/ann/set/x.png", "train/x.png", "train"},
        Case{"C:\\\\set\\\\x.png", "train/x.png", "train"},
        Case{"x.png", "images/all/x.png", "train"}}) {
    const test::TempDir dir;
    std::filesystem::create_directories((dir / c.file).parent_path());
    std::filesystem::create_directories(dir / "train");
    write_png(dir / c.file, test::test_image(48, 64));
    const std::string file = dir.write("annotations/train.json", coco_naming(c.name));
    const Warnings warnings;
    const CocoDataset d({.ann_file = file, .img_prefix = (dir / c.said).string()});
    ASSERT_EQ(d.size(), 1) << c.name;
    EXPECT_EQ(d.load(0).width, 64) << c.name;
    EXPECT_TRUE(warnings.has({"train.json: its images are not where it says", "taken: ", c.file}))
        << c.name;
  }
}

TEST(ImageFolder, NothingIsTakenFromOutsideTheDataSet) {
  const test::TempDir dir;
  write_png(dir / "other/x.png", test::test_image(48, 64));
  const std::string file = dir.write("mine/annotations/train.json", coco_naming("x.png"));
  std::filesystem::create_directories(dir / "mine/train");
  const Warnings warnings;
  const CocoDataset d({.ann_file = file, .img_prefix = (dir / "mine/train").string()});
  EXPECT_EQ(d.info(0).file, (dir / "mine/train/x.png").string());
  EXPECT_EQ(warnings.count(), 0u);
}

TEST(ImageFolder, NamesAreSampledFromTheBeginningOrTheEnd) {
  const test::TempDir dir;
  EXPECT_EQ(sample_file_names(dir.write("a.json", coco_naming("caf\\u00e9 \\\"1\\\".png"))),
            Words{"caf\xC3\xA9 \"1\".png"});
  std::string text = coco_naming("late.png");
  text.insert(1, "\"info\": \"" + std::string(3 << 20, 'x') + "\", ");
  EXPECT_EQ(sample_file_names(dir.write("b.json", text)), Words{"late.png"});
  EXPECT_EQ(sample_file_names(dir.write("c.json", "\"file_name\": \"cut")), Words{});
  EXPECT_EQ(sample_file_names(dir / "none.json"), Words{});
}

}  // namespace
}  // namespace kestrel
