// Data sets as people have them: each layout is recognised, with its parts, classes and boxes, or
// refused with what is missing.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include <kestrel/data/build_dataset.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;
using test::Warnings;

constexpr int64_t kWidth = 64, kHeight = 48;

/// Trees of ten pictures, p0 to p9, each with the box [8, 12, 24, 36] (x1, y1, x2, y2): a cat, and
/// in odd ones a dog.
class LayoutTree {
 public:
  explicit LayoutTree(const TempDir& dir) : dir_(dir) {}

  static std::vector<int> range(int begin, int end) {
    std::vector<int> all;
    for (int i = begin; i < end; ++i) all.push_back(i);
    return all;
  }
  static std::string stem(int i) { return "p" + std::to_string(i); }
  static std::string name_of(int i) { return i % 2 == 0 ? "cat" : "dog"; }

  void pictures(const std::string& folder, const std::vector<int>& which,
                const std::string& extension = ".png") const {
    std::filesystem::create_directories(dir_ / folder);
    for (const int i : which) {
      write_image(dir_ / (folder + "/" + stem(i) + extension),
                  test::test_image(kHeight, kWidth, i));
    }
  }
  void voc(const std::string& folder, const std::vector<int>& which,
           const std::string& extension = ".png") const {
    for (const int i : which) {
      dir_.write(folder + "/" + stem(i) + ".xml",
                 "<annotation><filename>" + stem(i) + extension +
                     "</filename><size><width>64</width><height>48</height></size><object><name>" +
                     name_of(i) +
                     "</name><bndbox><xmin>9</xmin><ymin>13</ymin><xmax>25</xmax><ymax>37</ymax>"
                     "</bndbox></object></annotation>");
    }
  }
  void yolo(const std::string& folder, const std::vector<int>& which, bool polygon = false) const {
    for (const int i : which) {
      dir_.write(folder + "/" + stem(i) + ".txt",
                 std::to_string(i % 2) + (polygon ? " 0.125 0.25 0.375 0.25 0.375 0.75 0.125 0.75\n"
                                                  : " 0.25 0.5 0.25 0.5\n"));
    }
  }
  void coco(const std::string& file, const std::vector<int>& which,
            const std::string& extension = ".png") const {
    nlohmann::json json{
        {"images", nlohmann::json::array()},
        {"annotations", nlohmann::json::array()},
        {"categories", {{{"id", 1}, {"name", "cat"}}, {{"id", 2}, {"name", "dog"}}}}};
    for (const int i : which) {
      json["images"].push_back(
          {{"id", i + 1}, {"file_name", stem(i) + extension}, {"width", 64}, {"height", 48}});
      json["annotations"].push_back({{"id", i + 1},
                                     {"image_id", i + 1},
                                     {"category_id", i % 2 + 1},
                                     {"bbox", {8, 12, 16, 24}},
                                     {"area", 384},
                                     {"iscrowd", 0}});
    }
    dir_.write(file, json.dump());
  }
  void labelme(const std::string& folder, const std::vector<int>& which,
               const std::string& prefix = "") const {
    for (const int i : which) {
      const nlohmann::json shape =
          i % 4 == 0 ? nlohmann::json{{"label", name_of(i)},
                                      {"points", {{24, 36}, {8, 12}}},
                                      {"group_id", nullptr},
                                      {"shape_type", "rectangle"}}
                     : nlohmann::json{{"label", name_of(i)},
                                      {"points", {{8, 12}, {24, 12}, {24, 36}, {8, 36}}},
                                      {"group_id", nullptr},
                                      {"shape_type", "polygon"}};
      dir_.write(folder + "/" + stem(i) + ".json",
                 nlohmann::json{{"version", "5.0.1"},
                                {"flags", nlohmann::json::object()},
                                {"shapes", {shape}},
                                {"imagePath", prefix + stem(i) + ".png"},
                                {"imageData", nullptr},
                                {"imageHeight", 48},
                                {"imageWidth", 64}}
                     .dump());
    }
  }
  void cvat(const std::string& file, const std::vector<int>& which) const {
    std::string xml =
        "<?xml version=\"1.0\" "
        "encoding=\"utf-8\"?>\n<annotations><version>1.1</version><meta><task>"
        "<labels><label><name>cat</name></label><label><name>dog</name></label></labels></task>"
        "</meta>";
    for (const int i : which) {
      xml += "<image id=\"" + std::to_string(i) + "\" name=\"" + stem(i) +
             ".png\" width=\"64\" height=\"48\">";
      xml += i % 2 == 0 ? "<box label=\"cat\" occluded=\"0\" xtl=\"8.00\" ytl=\"12.00\" "
                          "xbr=\"24.00\" ybr=\"36.00\" z_order=\"0\"></box>"
                        : "<polygon label=\"dog\" points=\"8.00,12.00;24.00,12.00;24.00,36.00;"
                          "8.00,36.00\"></polygon>";
      xml += "</image>";
    }
    dir_.write(file, xml + "</annotations>");
  }
  void text(const std::string& name, const std::string& content) const {
    dir_.write(name, content);
  }
  void list(const std::string& name, const std::vector<int>& which) const {
    std::string lines;
    for (const int i : which) lines += stem(i) + "\n";
    dir_.write(name, lines);
  }
  void csv(const std::string& name, const std::string& header,
           const std::function<std::string(int)>& line) const {
    std::string lines = header;
    for (const int i : range(0, 10)) lines += line(i) + "\n";
    dir_.write(name, lines);
  }

 private:
  const TempDir& dir_;
};

struct Layout {
  const char* name;
  const char* type;
  /// Training and validation pictures; -1: a share of ten, by hash.
  int64_t train, val;
  std::function<void(const LayoutTree&)> make;
};

const std::vector<int> kAll = LayoutTree::range(0, 10), kSix = LayoutTree::range(0, 6),
                       kFour = LayoutTree::range(6, 10);

std::vector<Layout> layouts() {
  const auto voc_beside = [](const std::string& annotations, const std::string& pictures) {
    return [=](const LayoutTree& t) {
      t.voc(annotations, kAll);
      t.pictures(pictures, kAll);
    };
  };
  return {
      {"VOC's own tree", "VOCDataset", 6, 4,
       [](const LayoutTree& t) {
         t.voc("Annotations", kAll);
         t.pictures("JPEGImages", kAll);
         t.list("ImageSets/Main/train.txt", kSix);
         t.list("ImageSets/Main/val.txt", kFour);
       }},
      {"VOC with a list for training alone", "VOCDataset", -1, -1,
       [](const LayoutTree& t) {
         t.voc("Annotations", kAll);
         t.pictures("JPEGImages", kAll);
         t.list("ImageSets/Main/train.txt", kAll);
       }},
      {"CVAT's VOC, with default.txt", "VOCDataset", -1, -1,
       [](const LayoutTree& t) {
         t.voc("Annotations", kAll);
         t.pictures("JPEGImages", kAll);
         t.list("ImageSets/Main/default.txt", kAll);
       }},
      {"VOC without lists", "VOCDataset", -1, -1, voc_beside("Annotations", "JPEGImages")},
      {"annotations and images", "VOCDataset", -1, -1, voc_beside("annotations", "images")},
      {"annots and images", "VOCDataset", -1, -1, voc_beside("annots", "images")},
      {"labels and Images", "VOCDataset", -1, -1, voc_beside("labels", "Images")},
      {"xml and imgs", "VOCDataset", -1, -1, voc_beside("xml", "imgs")},
      {"labelImg's, beside the pictures", "VOCDataset", -1, -1, voc_beside(".", ".")},
      {"labelImg's, in images", "VOCDataset", -1, -1, voc_beside("images", "images")},
      {"Roboflow's VOC", "VOCDataset", 6, 4,
       [](const LayoutTree& t) {
         t.voc("train", kSix);
         t.pictures("train", kSix);
         t.voc("valid", kFour);
         t.pictures("valid", kFour);
         t.text("README.roboflow.txt", "blood cells\n");
       }},
      {"Roboflow's VOC, training alone", "VOCDataset", -1, -1,
       [](const LayoutTree& t) {
         t.voc("train", kAll);
         t.pictures("train", kAll);
       }},
      {"COCO's own tree", "CocoDataset", 6, 4,
       [](const LayoutTree& t) {
         t.coco("annotations/instances_train2017.json", kSix);
         t.coco("annotations/instances_val2017.json", kFour);
         t.pictures("train2017", kSix);
         t.pictures("val2017", kFour);
       }},
      {"CVAT's COCO: instances_default", "CocoDataset", -1, -1,
       [](const LayoutTree& t) {
         t.coco("annotations/instances_default.json", kAll);
         t.pictures("images/default", kAll);
       }},
      {"COCO for training alone", "CocoDataset", -1, -1,
       [](const LayoutTree& t) {
         t.coco("annotations/train.json", kAll);
         t.pictures("images", kAll);
       }},
      {"Roboflow's COCO", "CocoDataset", 6, 4,
       [](const LayoutTree& t) {
         t.coco("train/_annotations.coco.json", kSix);
         t.pictures("train", kSix);
         t.coco("valid/_annotations.coco.json", kFour);
         t.pictures("valid", kFour);
       }},
      {"one JSON beside the pictures", "CocoDataset", -1, -1,
       [](const LayoutTree& t) {
         t.coco("labels_my-project_2024.json", kAll);
         t.pictures(".", kAll);
       }},
      {"JSON files beside the folder of pictures", "CocoDataset", 6, 4,
       [](const LayoutTree& t) {
         t.coco("train.json", kSix);
         t.coco("test.json", kFour);
         t.pictures("images", kAll);
       }},
      {"Ultralytics' with a YAML", "YOLODataset", 6, 4,
       [](const LayoutTree& t) {
         t.text("data.yaml", "train: images/train\nval: images/val\nnames: [cat, dog]\n");
         t.yolo("labels/train", kSix);
         t.yolo("labels/val", kFour);
         t.pictures("images/train", kSix);
         t.pictures("images/val", kFour);
       }},
      {"Ultralytics' without a YAML", "YOLODataset", 6, 4,
       [](const LayoutTree& t) {
         t.text("classes.txt", "cat\ndog\n");
         t.yolo("labels/train", kSix);
         t.yolo("labels/val", kFour);
         t.pictures("images/train", kSix);
         t.pictures("images/val", kFour);
       }},
      {"Ultralytics' with polygons, training alone", "YOLODataset", -1, -1,
       [](const LayoutTree& t) {
         t.text("data.yaml", "train: images/train\nnames: [cat, dog]\n");
         t.yolo("labels/train", kAll, true);
         t.pictures("images/train", kAll);
       }},
      {"Roboflow's YOLO, whose test is not there", "YOLODataset", 6, 4,
       [](const LayoutTree& t) {
         t.text("data.yaml",
                "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\n"
                "names: ['cat', 'dog']\n");
         t.yolo("train/labels", kSix);
         t.yolo("valid/labels", kFour);
         t.pictures("train/images", kSix);
         t.pictures("valid/images", kFour);
       }},
      {"images and labels, with labels/classes.txt", "YOLODataset", -1, -1,
       [](const LayoutTree& t) {
         t.text("labels/classes.txt", "cat\ndog\n");
         t.yolo("labels", kAll);
         t.pictures("images", kAll);
       }},
      {"labelImg's YOLO, beside the pictures", "YOLODataset", -1, -1,
       [](const LayoutTree& t) {
         t.text("classes.txt", "cat\ndog\n");
         t.yolo(".", kAll);
         t.pictures(".", kAll);
       }},
      {"CVAT's YOLO 1.1", "YOLODataset", -1, -1,
       [](const LayoutTree& t) {
         t.text("obj.names", "cat\ndog\n");
         t.text("obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n");
         t.text("train.txt", "data/obj_train_data/p0.png\n");
         t.yolo("obj_train_data", kAll);
         t.pictures("obj_train_data", kAll);
       }},
      {"LabelMe's beside the pictures", "LabelMeDataset", -1, -1,
       [](const LayoutTree& t) {
         t.labelme(".", kAll);
         t.pictures(".", kAll);
       }},
      {"LabelMe's in a folder", "LabelMeDataset", -1, -1,
       [](const LayoutTree& t) {
         t.labelme("annotations", kAll, "..\\images\\");
         t.pictures("images", kAll);
       }},
      {"LabelMe's in train and val", "LabelMeDataset", 6, 4,
       [](const LayoutTree& t) {
         t.labelme("train", kSix);
         t.pictures("train", kSix);
         t.labelme("val", kFour);
         t.pictures("val", kFour);
       }},
      {"CVAT for images 1.1", "CvatDataset", -1, -1,
       [](const LayoutTree& t) {
         t.cvat("annotations.xml", kAll);
         t.pictures("images", kAll);
       }},
      {"a CSV with a header", "CsvDataset", -1, -1,
       [](const LayoutTree& t) {
         t.csv("annotations.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\n", [](int i) {
           return LayoutTree::stem(i) + ".png,64,48," + LayoutTree::name_of(i) + ",8,12,24,36";
         });
         t.pictures("images", kAll);
       }},
      {"a CSV of x, y, w, h, with semicolons and quotes", "CsvDataset", -1, -1,
       [](const LayoutTree& t) {
         t.csv("boxes.csv", "\"Image Path\";\"x\";\"y\";\"w\";\"h\";\"Label\"\r\n", [](int i) {
           return "\"images/" + LayoutTree::stem(i) + ".png\";8;12;16;24;\"" +
                  LayoutTree::name_of(i) + "\"\r";
         });
         t.pictures("images", kAll);
       }},
      {"keras-retinanet's CSV, without a header", "CsvDataset", -1, -1,
       [](const LayoutTree& t) {
         t.csv("train.csv", "", [](int i) {
           return "/home/me/pictures/" + LayoutTree::stem(i) + ".png,8,12,24,36," +
                  LayoutTree::name_of(i);
         });
         t.pictures(".", kAll);
       }},
      {"Open Images' CSV, in shares", "CsvDataset", -1, -1,
       [](const LayoutTree& t) {
         t.csv("boxes.csv", "ImageID,LabelName,XMin,XMax,YMin,YMax\n", [](int i) {
           return LayoutTree::stem(i) + ".png," + LayoutTree::name_of(i) + ",0.125,0.375,0.25,0.75";
         });
         t.pictures("images", kAll);
       }},
      {"Roboflow's CSV", "CsvDataset", 6, 4,
       [](const LayoutTree& t) {
         for (const std::string part : {"train", "valid"}) {
           std::string lines = "filename,width,height,class,xmin,ymin,xmax,ymax\n";
           for (const int i : part == "train" ? kSix : kFour) {
             lines +=
                 LayoutTree::stem(i) + ".png,64,48," + LayoutTree::name_of(i) + ",8,12,24,36\n";
           }
           t.text(part + "/_annotations.csv", lines);
           t.pictures(part, part == "train" ? kSix : kFour);
         }
       }},
  };
}

std::set<std::string> stems_of(const Dataset& dataset) {
  std::set<std::string> stems;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    stems.insert(std::filesystem::path(dataset.info(i).file).stem().string());
  }
  return stems;
}

void expect_right(const Layout& layout, const Dataset& dataset) {
  EXPECT_EQ(dataset.class_names(), (std::vector<std::string>{"cat", "dog"})) << layout.name;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const int number =
        std::stoi(std::filesystem::path(dataset.info(i).file).stem().string().substr(1));
    ASSERT_EQ(dataset.annotations(i).size(), 1u) << layout.name;
    const Annotation& object = dataset.annotations(i)[0];
    EXPECT_EQ(object.label, number % 2) << layout.name;
    EXPECT_EQ(dataset.load(i).width, kWidth) << layout.name;
    constexpr std::array<double, 4> kBox = {8, 12, 16, 24};
    for (size_t k = 0; k < 4; ++k) EXPECT_NEAR(object.bbox[k], kBox[k], 1e-6) << layout.name;
  }
}

TEST(Layouts, EachIsRecognised) {
  EXPECT_GE(layouts().size(), 25u);
  for (const Layout& layout : layouts()) {
    const TempDir dir;
    layout.make(LayoutTree(dir));
    const Warnings warnings;
    const std::string root = dir.path().string();
    SCOPED_TRACE(layout.name);
    EXPECT_EQ(to_config(recognise(root, Split::Train)).at("type").as_string(), layout.type);
    const auto train = open_dataset({.name_or_path = root, .split = Split::Train});
    const auto val =
        open_dataset({.name_or_path = root, .split = Split::Val, .classes = train->class_names()});
    expect_right(layout, *train);
    expect_right(layout, *val);
    std::set<std::string> both = stems_of(*train);
    both.merge(stems_of(*val));
    EXPECT_EQ(both.size(), 10u);
    EXPECT_EQ(train->size() + val->size(), 10);  // no picture in both
    if (layout.train >= 0) {
      EXPECT_EQ(train->size(), layout.train);
      EXPECT_FALSE(warnings.has({"--val-share"}));
    } else {
      EXPECT_EQ(stems_of(*val),
                (std::set<std::string>{"p0", "p2", "p6", "p8"}));  // by their hashes
      EXPECT_TRUE(warnings.has({"20 % of them are", "--val-share"}));
    }
    // A config that is written down says the same.
    Config node = to_config(recognise(root, Split::Val));
    node.set("pipeline", Config::parse("[{type: LoadImageFromFile}]"));
    EXPECT_EQ(build_dataset(node, true).dataset->size(), val->size());
  }
}

TEST(Layouts, NamesDecideWhoIsForValidation) {
  // The same on every machine: these are the numbers.
  EXPECT_NEAR(name_share("images/p0.png"), name_share("C/elsewhere/p0.jpeg"), 0);
  int64_t below = 0;
  for (int i = 0; i < 10'000; ++i) below += name_share("img_" + std::to_string(i) + ".jpg") < 0.2;
  EXPECT_NEAR(static_cast<double>(below), 2000, 4 * 40);  // four standard deviations
  EXPECT_THROW(check_part({.part = "test"}), UsageError);
  EXPECT_THROW(check_part({.part = "val", .val_share = 1}), UsageError);
}

TEST(Layouts, TheShareIsAnOption) {
  const TempDir dir;
  const LayoutTree tree(dir);
  tree.voc("annotations", kAll);
  tree.pictures("images", kAll);
  const Warnings warnings;
  const auto size = [&](Split split, double share) {
    return open_dataset({.name_or_path = dir.path().string(),
                         .split = split,
                         .recognise = {.val_share = share}})
        ->size();
  };
  EXPECT_EQ(size(Split::Train, 0.5) + size(Split::Val, 0.5), 10);
  EXPECT_GT(size(Split::Val, 0.5), size(Split::Val, 0.2));
  EXPECT_EQ(size(Split::Val, 1e-9), 1);  // one at least
  EXPECT_EQ(size(Split::Test, 0.2), size(Split::Val, 0.2));
}

TEST(Layouts, FilesMayBeNamed) {
  const TempDir dir;
  const LayoutTree tree(dir);
  tree.coco("export/boxes (1).json", kSix);
  tree.coco("export/more.json", kFour);
  tree.pictures("export/pics", kAll);
  const Warnings warnings;
  const auto open = [&](Split split, bool own_val) {
    RecogniseOptions given{.annotations = dir / "export/boxes (1).json",
                           .images = dir / "export/pics"};
    if (own_val) given.val_annotations = dir / "export/more.json";
    return open_dataset({.name_or_path = dir.path().string(), .split = split, .recognise = given});
  };
  EXPECT_EQ(open(Split::Train, true)->size(), 6);
  EXPECT_EQ(open(Split::Val, true)->size(), 4);
  EXPECT_EQ(open(Split::Train, false)->size() + open(Split::Val, false)->size(), 6);
}

TEST(Layouts, RefusalsSayWhatIsMissing) {
  const auto why = [](const std::function<void(const LayoutTree&)>& make) {
    const TempDir dir;
    make(LayoutTree(dir));
    return error_of<DataError>([&] { recognise(dir.path(), Split::Train); });
  };
  std::string text = why([](const LayoutTree& t) { t.pictures("images", kAll); });
  EXPECT_TRUE(contains(text, "holds 10 pictures (10 in images/) and no annotations")) << text;
  text = why([](const LayoutTree& t) { t.voc("annotations", kAll); });
  EXPECT_TRUE(contains(text, "there are 10 annotations in ")) << text;
  EXPECT_TRUE(contains(text, "no pictures with their names; put the pictures")) << text;
  text = why([](const LayoutTree& t) { t.text("notes.txt", "nothing\n"); });
  EXPECT_TRUE(contains(text, "it holds no pictures")) << text;
  text = why([](const LayoutTree& t) {
    t.coco("annotations/val.json", kFour);
    t.pictures("images", kFour);
  });
  EXPECT_TRUE(contains(text, "train part; there are 'val.json'")) << text;
}

}  // namespace
}  // namespace kestrel
