// Every form into every other: boxes stay within half a pixel, and classes what they are.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include <kestrel/data/convert/convert.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

namespace fs = std::filesystem;
using test::TempDir;
using test::Warnings;

constexpr DataForm kForms[] = {DataForm::Coco, DataForm::Voc, DataForm::Yolo, DataForm::LabelMe,
                               DataForm::Middle};

std::string name_of(DataForm form) {
  for (const auto& [known, name] : enum_names(DataForm{})) {
    if (known == form) return name;
  }
  return "";
}

std::unique_ptr<Dataset> open_part(const fs::path& folder, Split split,
                                   const std::vector<std::string>& classes = {}) {
  OpenDatasetOptions options{.name_or_path = folder.string(), .split = split, .classes = classes};
  options.test_mode = true;
  options.with_mask = true;
  return open_dataset(options);
}

ConvertLosses convert(const fs::path& from, const fs::path& to, DataForm form) {
  const auto train = open_part(from, Split::Train);
  DatasetWriter writer(form, to, train->class_names());
  writer.write(*train, Split::Train);
  writer.write(*open_part(from, Split::Val, train->class_names()), Split::Val);
  writer.finish();
  return writer.losses();
}

/// A class's name and a box, by picture.
std::map<std::string, std::vector<std::pair<std::string, std::array<double, 4>>>> objects_of(
    const Dataset& dataset) {
  std::map<std::string, std::vector<std::pair<std::string, std::array<double, 4>>>> all;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    auto& own = all[fs::path(dataset.info(i).file).filename().string()];
    for (const Annotation& a : dataset.annotations(i)) {
      own.emplace_back(dataset.class_names()[static_cast<size_t>(a.label)], a.bbox);
    }
  }
  return all;
}

void expect_same(const Dataset& a, const Dataset& b) {
  const auto before = objects_of(a), after = objects_of(b);
  ASSERT_EQ(before.size(), after.size());
  for (const auto& [file, objects] : before) {
    ASSERT_TRUE(after.contains(file)) << file;
    const auto& others = after.at(file);
    ASSERT_EQ(objects.size(), others.size()) << file;
    for (size_t i = 0; i < objects.size(); ++i) {
      EXPECT_EQ(objects[i].first, others[i].first);
      const auto& [x, y, w, h] = objects[i].second;
      const auto& [u, v, s, t] = others[i].second;
      EXPECT_NEAR(x, u, 0.5 + 1e-4);
      EXPECT_NEAR(y, v, 0.5 + 1e-4);
      EXPECT_NEAR(x + w, u + s, 0.5 + 1e-4);
      EXPECT_NEAR(y + h, v + t, 0.5 + 1e-4);
    }
  }
}

TEST(ConvertData, EveryPairKeepsBoxesAndClasses) {
  const TempDir dir;
  const Warnings warnings;
  for (const DataForm first : kForms) {
    const fs::path source = dir / name_of(first);
    const ShapesDataset train({.num_images = 4, .image_size = 96});
    DatasetWriter writer(first, source, train.class_names());
    writer.write(train, Split::Train);
    writer.write(ShapesDataset({.split = "val", .num_images = 3, .image_size = 96}), Split::Val);
    writer.finish();
    for (const DataForm second : kForms) {
      SCOPED_TRACE(name_of(first) + " to " + name_of(second));
      const fs::path target = dir / (name_of(first) + "_" + name_of(second));
      convert(source, target, second);
      const auto before = open_part(source, Split::Train);
      expect_same(*before, *open_part(target, Split::Train));
      // Classes of val are given: those that it names itself may be fewer.
      expect_same(*open_part(source, Split::Val, before->class_names()),
                  *open_part(target, Split::Val, before->class_names()));
      EXPECT_EQ(open_part(target, Split::Train)->load(0), open_part(source, Split::Train)->load(0));
    }
  }
}

TEST(ConvertData, SaysWhatAFormCannotHold) {
  const TempDir dir;
  const Warnings warnings;
  fs::create_directories(dir / "source/train");
  write_png(dir / "source/train/a.png", test::test_image(48, 64));
  dir.write("source/annotations/instances_train.json", R"({
    "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
    "categories": [{"id": 1, "name": "cat"}],
    "annotations": [
      {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 3, 10, 10], "area": 100, "iscrowd": 0,
       "segmentation": [[2, 3, 12, 3, 12, 13, 2, 13]]},
      {"id": 2, "image_id": 1, "category_id": 1, "bbox": [20, 3, 10, 10], "area": 80, "iscrowd": 0,
       "segmentation": [[20, 3, 24, 3, 24, 13], [26, 3, 30, 3, 30, 13]]},
      {"id": 3, "image_id": 1, "category_id": 1, "bbox": [40, 3, 20, 20], "area": 400, "iscrowd": 1,
       "segmentation": {"size": [48, 64], "counts": [1920, 20, 1132]}}]})");
  const auto train = std::make_unique<CocoDataset>(
      CocoDatasetOptions{.ann_file = (dir / "source/annotations/instances_train.json").string(),
                         .img_prefix = (dir / "source/train").string(),
                         .test_mode = true,
                         .with_mask = true});
  const auto losses = [&](DataForm form) {
    DatasetWriter writer(form, dir / name_of(form), train->class_names());
    writer.write(*train, Split::Train);
    writer.write(*train, Split::Val);
    writer.finish();
    return writer.losses();
  };
  const auto count = [](const ConvertLosses& all, const std::string& part) {
    int64_t sum = 0;
    for (const auto& [what, n] : all) sum += what.find(part) != std::string::npos ? n : 0;
    return sum;
  };
  EXPECT_TRUE(losses(DataForm::Coco).empty());
  const ConvertLosses voc = losses(DataForm::Voc);
  EXPECT_EQ(count(voc, "outlines"), 2 * 3);  // in both parts
  EXPECT_EQ(count(voc, "crowds"), 2);
  const ConvertLosses yolo = losses(DataForm::Yolo);
  EXPECT_EQ(count(yolo, "several polygons"), 2);
  EXPECT_EQ(count(yolo, "left out"), 2);
  EXPECT_EQ(count(losses(DataForm::LabelMe), "flagged as difficult"), 2);
  EXPECT_EQ(count(losses(DataForm::Middle), "ignored"), 2);
  // Polygons come back, in parts or in one; what is difficult stays so.
  const auto labelme = open_part(dir / "labelme", Split::Train);
  const auto objects = labelme->annotations(0);
  ASSERT_EQ(objects.size(), 3u);
  EXPECT_EQ(objects[1].segmentation->polygons.size(), 2u);
  EXPECT_TRUE(objects[2].difficult);
  const auto from_yolo = open_part(dir / "yolo", Split::Train);
  ASSERT_NE(from_yolo->annotations(0)[0].segmentation, nullptr);
  EXPECT_EQ(from_yolo->annotations(0)[0].segmentation->polygons[0].size(), 8u);
  EXPECT_EQ(open_part(dir / "voc", Split::Train)->annotations(0)[2].difficult, true);
  EXPECT_EQ(open_part(dir / "middle", Split::Train)->annotations(0)[2].difficult, true);
}

TEST(ConvertData, WritesNothingOver) {
  const TempDir dir;
  dir.write("full/a.txt", "x");
  EXPECT_THROW(check_convert_target(dir / "in", dir / "full"), UsageError);
  fs::create_directories(dir / "in");
  EXPECT_THROW(check_convert_target(dir / "in", dir / "in/out"), UsageError);
  EXPECT_THROW(check_convert_target(dir / "in", dir / "in"), UsageError);
  EXPECT_NO_THROW(check_convert_target(dir / "in", dir / "out"));
}

TEST(ConvertData, LabelsGoByNamesWithoutTheirExtension) {
  const TempDir dir;
  const Warnings warnings;
  fs::create_directories(dir / "in/images");
  write_png(dir / "in/images/a.png", test::test_image(48, 64));
  write_jpeg(dir / "in/images/a.jpg", test::test_image(48, 64, 1));
  dir.write("in/train.csv",
            "filename,xmin,ymin,xmax,ymax,class\na.png,1,2,30,40,cat\na.jpg,5,6,20,30,dog\n");
  dir.write("in/val.csv", "filename,xmin,ymin,xmax,ymax,class\na.png,1,2,30,40,cat\n");
  for (const DataForm form : {DataForm::Voc, DataForm::Yolo, DataForm::LabelMe}) {
    SCOPED_TRACE(name_of(form));
    convert(dir / "in", dir / name_of(form), form);
    const auto train = open_part(dir / name_of(form), Split::Train);
    ASSERT_EQ(train->size(), 2);
    std::vector<double> widths;
    for (int64_t i = 0; i < 2; ++i) {
      ASSERT_EQ(train->annotations(i).size(), 1u);
      widths.push_back(train->annotations(i)[0].bbox[2]);
    }
    std::ranges::sort(widths);
    EXPECT_NEAR(widths[0], 15, 1);
    EXPECT_NEAR(widths[1], 29, 1);
    EXPECT_EQ(open_part(dir / name_of(form), Split::Val, train->class_names())->size(), 1);
  }
}

TEST(ConvertData, NamesThatMeetAreToldApart) {
  const TempDir dir;
  const Warnings warnings;
  const ShapesDataset shapes({.num_images = 2, .image_size = 64});
  PlacedPictures placed;
  for (const std::string prefix : {"train", "val", "val"}) {
    place_picture(shapes, 0, dir / "all", prefix, placed);
  }
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir / "all")) {
    names.push_back(entry.path().filename().string());
  }
  EXPECT_EQ(names.size(), 3u);
}

}  // namespace
}  // namespace kestrel
