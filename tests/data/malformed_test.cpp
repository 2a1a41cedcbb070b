#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>

#include <kestrel/data/datasets/coco.h>
#include <kestrel/data/datasets/csv.h>
#include <kestrel/data/datasets/custom.h>
#include <kestrel/data/datasets/cvat.h>
#include <kestrel/data/datasets/labelme.h>
#include <kestrel/data/datasets/voc.h>
#include <kestrel/data/datasets/yolo.h>
#include <kestrel/data/loader.h>
#include <kestrel/data/transforms/resize.h>
#include <kestrel/kernels/error.h>

#include "malformed_cases.h"
#include "support.h"

namespace kestrel {
namespace {

using test::error_of;
using test::MalformedFile;
using test::Warnings;

/// A row of the tables of docs/malformed_data.md.
struct Row {
  std::vector<std::string> names;  ///< With * for any text.
  std::string outcome;             ///< read, noted, left out or stops.
  std::string message;             ///< With an ellipsis for any text.
};

/// Whether all of the text, or with `within` some of it, is the pattern with any text for `any`.
bool matches(const std::string& pattern, const std::string& any, const std::string& text,
             bool within) {
  size_t at = 0;
  for (size_t begin = 0; begin <= pattern.size();) {
    const size_t end = std::min(pattern.find(any, begin), pattern.size());
    const std::string piece = pattern.substr(begin, end - begin);
    const size_t found = text.find(piece, at);
    if (found == std::string::npos || (begin == 0 && !within && found != 0)) return false;
    at = found + piece.size();
    begin = end + any.size();
  }
  return within || at == text.size() || pattern.ends_with(any);
}

std::vector<std::string> in_backticks(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t at = text.find('`'); at != std::string::npos; at = text.find('`', at + 1)) {
    const size_t end = text.find('`', at + 1);
    parts.push_back(text.substr(at + 1, end - at - 1));
    at = end;
  }
  return parts;
}

std::vector<Row> read_table() {
  std::ifstream file(std::string(KESTREL_SOURCE_DIR) + "/docs/malformed_data.md");
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, '|');) {
      const size_t first = cell.find_first_not_of(' ');
      cells.push_back(first == std::string::npos
                          ? ""
                          : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
    }
    if (cells.size() < 4 || !cells[1].starts_with('`')) continue;
    const auto message = in_backticks(cells[3]);
    rows.push_back({in_backticks(cells[1]), cells[2], message.empty() ? "" : message[0]});
  }
  return rows;
}

const Row& row_of(const std::string& name) {
  static const std::vector<Row> rows = read_table();
  const Row* found = nullptr;
  for (const Row& row : rows) {
    for (const std::string& pattern : row.names) {
      if (!matches(pattern, "*", name, false)) continue;
      EXPECT_EQ(found, nullptr) << name << " is in two rows";
      found = &row;
    }
  }
  static const Row none;
  EXPECT_NE(found, nullptr) << name << " is in no row";
  return found != nullptr ? *found : none;
}

/// What became of a file.
struct Observed {
  std::string outcome;
  std::vector<std::string> texts;
};

Observed observe(const std::function<void()>& open) {
  const Warnings warnings;
  try {
    open();
  } catch (const DataError& error) {
    return {"stops", {error.what()}};
  }
  if (warnings.count() == 0) return {"read", {}};
  const auto was_dropped = [](const std::string& text) { return text.ends_with("; dropped"); };
  return {std::ranges::any_of(warnings.texts(), was_dropped) ? "left out" : "noted",
          warnings.texts()};
}

void expect_documented(const MalformedFile& file, const Observed& seen) {
  const Row& row = row_of(file.name);
  EXPECT_EQ(seen.outcome, row.outcome) << file.name;
  const bool said = std::ranges::any_of(seen.texts, [&](const std::string& text) {
    return !row.message.empty() && matches(row.message, "…", text, true);
  });
  EXPECT_EQ(said, row.outcome != "read")
      << file.name << ": documented as '" << row.message << "', was '"
      << (seen.texts.empty() ? "nothing" : seen.texts[0]) << "'";
}

/// Images that an epoch brings.
int64_t train(const Dataset& dataset) {
  const RandomSampler sampler(dataset, 0);
  Loader loader(dataset, Pipeline().add<Resize>(ResizeOptions{.img_scale = {{64, 64}}}), sampler,
                {.batch_size = 2, .workers = 2});
  loader.start_epoch(0);
  int64_t count = 0;
  while (const auto batch = loader.next()) count += static_cast<int64_t>(batch->metas.size());
  return count;
}

void write_good(const test::TempDir& dir, const std::string& name) {
  write_png(dir / name, test::test_image(48, 64));
}

// A COCO set with a good image and these.
CocoDatasetOptions set_with(const test::TempDir& dir, const std::vector<std::string>& files,
                            bool strict) {
  using nlohmann::json;
  json out = {{"images", json::array()}, {"annotations", json::array()}};
  out["categories"].push_back({{"id", 1}, {"name", "thing"}});
  int id = 0;
  write_good(dir, "good.png");
  std::vector<std::string> all = {"good.png"};
  all.insert(all.end(), files.begin(), files.end());
  for (const std::string& file : all) {
    ++id;
    out["images"].push_back({{"id", id}, {"file_name", file}, {"width", 64}, {"height", 48}});
    out["annotations"].push_back(
        {{"id", id}, {"image_id", id}, {"category_id", 1}, {"bbox", {1, 1, 20, 20}}});
  }
  return {.ann_file = dir.write("set.json", out.dump()),
          .img_prefix = dir.path().string(),
          .strict = strict};
}

TEST(Malformed, Images) {
  const auto files = test::malformed_images();
  EXPECT_GE(files.size(), 100u);
  const test::TempDir dir;
  std::vector<std::string> unusable;
  for (const MalformedFile& file : files) {
    const std::string path = dir.write(file.name, file.content);
    Observed seen = observe([&] { read_image(path); });
    if (seen.outcome == "stops") {
      seen.outcome = "left out";  // by the loader
      unusable.push_back(file.name);
      const CocoDataset strict(set_with(dir, {file.name}, true));
      const Warnings warnings;
      const std::string why = error_of<DataError>([&] { train(strict); });
      EXPECT_TRUE(test::contains(why, file.name)) << file.name << ": " << why;
    }
    expect_documented(file, seen);
  }
  EXPECT_GE(unusable.size(), 80u);

  std::vector<std::string> names;
  for (const MalformedFile& file : files) names.push_back(file.name);
  names.emplace_back("nowhere.png");
  const CocoDataset all(set_with(dir, names, false));
  const Warnings warnings;
  EXPECT_EQ(train(all), static_cast<int64_t>(names.size()) + 1);
  for (const std::string& name : unusable) {
    EXPECT_TRUE(warnings.has({"is left out", "/" + name + ":"})) << name;
  }
  EXPECT_TRUE(warnings.has({"nowhere.png: No such file"}));
  EXPECT_TRUE(warnings.has({std::to_string(unusable.size() + 1) + " of ", "are left out"}));
}

// What becomes of a file does not depend on those that were read before it.
TEST(Malformed, ImagesAreReadAloneOrAfterOthers) {
  const auto files = test::malformed_images();
  const Warnings warnings;
  const auto read = [](const MalformedFile& file) {
    try {
      const auto* first = reinterpret_cast<const std::byte*>(file.content.data());
      const Image image = decode_image({first, file.content.size()}, file.name);
      return std::string(image.pixels.begin(), image.pixels.end());
    } catch (const DataError& error) {
      return std::string(error.what());
    }
  };
  std::vector<std::string> forwards, backwards;
  for (auto file = files.begin(); file != files.end(); ++file) forwards.push_back(read(*file));
  for (auto file = files.rbegin(); file != files.rend(); ++file) backwards.push_back(read(*file));
  std::ranges::reverse(backwards);
  for (size_t i = 0; i < files.size(); ++i) {
    EXPECT_TRUE(forwards[i] == backwards[i]) << files[i].name;
  }
}

/// Opens a set with a bad file in it, strictly or not, trains on what is left.
using OpenSet = std::function<std::unique_ptr<Dataset>(bool strict)>;

void expect_documented(const MalformedFile& file, const OpenSet& open) {
  std::unique_ptr<Dataset> set;
  const Observed seen = observe([&] { set = open(false); });
  expect_documented(file, seen);
  if (set) {
    EXPECT_GE(train(*set), 1) << file.name;
  }
  const Warnings warnings;
  const std::string why = error_of<DataError>([&] { open(true); });
  EXPECT_EQ(why.empty(), seen.outcome == "read" || seen.outcome == "noted")
      << file.name << ": " << why;
}

TEST(Malformed, Coco) {
  const test::TempDir dir;
  write_good(dir, "a.png");
  write_good(dir, "b.png");
  for (const MalformedFile& file : test::malformed_coco()) {
    const std::string path = dir.write("set.json", file.content);
    expect_documented(file, [&](bool strict) {
      return std::make_unique<CocoDataset>(CocoDatasetOptions{
          .ann_file = path, .img_prefix = dir.path().string(), .strict = strict});
    });
  }
}

TEST(Malformed, Voc) {
  const test::TempDir dir;
  dir.write("list.txt", "good\nbad\n");
  std::filesystem::create_directories(dir / "JPEGImages");
  for (const char* name : {"good", "bad"}) {
    write_good(dir, "JPEGImages/" + std::string(name) + ".png");
  }
  dir.write("Annotations/good.xml",
            "<annotation><object><name>cat</name><bndbox><xmin>3</xmin><ymin>3</ymin>"
            "<xmax>30</xmax><ymax>30</ymax></bndbox></object></annotation>");
  for (const MalformedFile& file : test::malformed_voc()) {
    dir.write("Annotations/bad.xml", file.content);
    expect_documented(file, [&](bool strict) {
      return std::make_unique<VocDataset>(VocDatasetOptions{.ann_file = (dir / "list.txt").string(),
                                                            .img_prefix = dir.path().string(),
                                                            .strict = strict});
    });
  }
}

class MalformedYolo : public testing::Test {
 protected:
  MalformedYolo() {
    dir_.write("labels/good.txt", "1 0.5 0.5 0.5 0.5\n");
    dir_.write("data.yaml", "train: images\nval: images\nnames: [cat, dog]\n");
    std::filesystem::create_directories(dir_ / "images");
    for (const char* name : {"good", "bad"}) {
      write_good(dir_, "images/" + std::string(name) + ".png");
    }
  }
  std::unique_ptr<Dataset> open(bool strict) const {
    return std::make_unique<YoloDataset>(
        YoloDatasetOptions{.ann_file = (dir_ / "data.yaml").string(), .strict = strict});
  }
  test::TempDir dir_;
};

TEST_F(MalformedYolo, Labels) {
  for (const MalformedFile& file : test::malformed_yolo()) {
    dir_.write("labels/bad.txt", file.content);
    expect_documented(file, [&](bool strict) { return open(strict); });
  }
}

TEST_F(MalformedYolo, Yaml) {
  for (const MalformedFile& file : test::malformed_yaml()) {
    dir_.write("data.yaml", file.content);
    expect_documented(file, [&](bool strict) { return open(strict); });
  }
}

TEST(Malformed, ThereAreEnough) {
  EXPECT_GE(test::malformed_coco().size() + test::malformed_voc().size() +
                test::malformed_yolo().size() + test::malformed_yaml().size(),
            100u);
}

// Every name in the documentation is of a file that the tests make.
TEST(Malformed, NothingElseIsDocumented) {
  std::vector<std::string> names;
  for (const auto& files :
       {test::malformed_images(), test::malformed_coco(), test::malformed_voc(),
        test::malformed_yolo(), test::malformed_yaml(), test::malformed_labelme(),
        test::malformed_cvat(), test::malformed_csv(), test::malformed_middle()}) {
    for (const MalformedFile& file : files) names.push_back(file.name);
  }
  for (const Row& row : read_table()) {
    for (const std::string& pattern : row.names) {
      EXPECT_TRUE(std::ranges::any_of(names, [&](const std::string& name) {
        return matches(pattern, "*", name, false);
      })) << pattern;
    }
  }
}

/// Opens a set of two good pictures and this file, and trains on what is left.
template <class Class, class Options>
void open_with(const MalformedFile& file, const std::string& name) {
  const test::TempDir dir;
  for (const char* picture : {"a.png", "b.png", "bad.png"}) write_good(dir, picture);
  dir.write("classes.txt", "cat\ndog\n");
  const bool labelme = name.ends_with("bad.json");
  for (const std::string stem : {"a", "b"}) {
    if (!labelme) break;
    dir.write(
        "set/" + stem + ".json",
        R"({"shapes": [{"label": "cat", "points": [[1, 2], [30, 2], [30, 40]]}], "imagePath": ")" +
            stem + R"(.png", "imageWidth": 64, "imageHeight": 48})");
  }
  dir.write(name, file.content);
  Options options;
  options.ann_file = (labelme ? dir / "set" : dir / name).string();
  options.img_prefix = dir.path().string();
  expect_documented(file, [&](bool strict) {
    options.strict = strict;
    return std::make_unique<Class>(options);
  });
}

TEST(Malformed, FilesOfLabellingTools) {
  for (const MalformedFile& file : test::malformed_labelme()) {
    open_with<LabelMeDataset, LabelMeDatasetOptions>(file, "set/bad.json");
  }
  for (const MalformedFile& file : test::malformed_cvat()) {
    open_with<CvatDataset, CvatDatasetOptions>(file, "annotations.xml");
  }
  for (const MalformedFile& file : test::malformed_csv()) {
    open_with<CsvDataset, CsvDatasetOptions>(file, "boxes.csv");
  }
  for (const MalformedFile& file : test::malformed_middle()) {
    open_with<CustomDataset, CustomDatasetOptions>(file, "train.json");
  }
}

}  // namespace
}  // namespace kestrel
