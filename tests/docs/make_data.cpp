// Small data sets of generated pictures for the commands in the pages: make_docs_data FOLDER makes
//   data/coco          a COCO tree with its usual names
//   my_coco            a COCO tree with names of one's own
//   my_voc             a VOC tree
//   my_yolo            images/, labels/ and data.yaml, as Ultralytics has them
//   pictures           pictures alone
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include <kestrel/data/convert/write_coco.h>
#include <kestrel/data/datasets/shapes.h>
#include <kestrel/data/image.h>

namespace {

namespace fs = std::filesystem;
using namespace kestrel;

ShapesDataset shapes(const char* split, int64_t num_images) {
  return ShapesDataset(
      {.split = split, .num_images = num_images, .image_size = 96, .min_size = 16, .max_size = 48});
}

std::string xml_of(const Dataset& dataset, int64_t index, const std::string& file) {
  const ImageInfo& image = dataset.info(index);
  std::string text = fmt::format(
      "<annotation><filename>{}</filename><size><width>{}</width><height>{}</height>"
      "<depth>3</depth></size>",
      file, image.width, image.height);
  for (const Annotation& a : dataset.annotations(index)) {
    const auto& [x, y, w, h] = a.bbox;
    text += fmt::format(
        "<object><name>{}</name><difficult>0</difficult><bndbox><xmin>{:.0f}</xmin><ymin>{:.0f}"
        "</ymin><xmax>{:.0f}</xmax><ymax>{:.0f}</ymax></bndbox></object>",
        dataset.class_names()[static_cast<size_t>(a.label)], x + 1, y + 1, x + w, y + h);
  }
  return text + "</annotation>\n";
}

void write_voc(const Dataset& dataset, const fs::path& folder, const std::string& part) {
  for (const char* name : {"Annotations", "JPEGImages", "ImageSets/Main"}) {
    fs::create_directories(folder / name);
  }
  std::ofstream list(folder / "ImageSets/Main" / (part + ".txt"));
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const std::string name = part + std::to_string(i);
    list << name << '\n';
    write_image(folder / "JPEGImages" / (name + ".jpg"), dataset.load(i));
    std::ofstream(folder / "Annotations" / (name + ".xml")) << xml_of(dataset, i, name + ".jpg");
  }
}

void write_yolo(const Dataset& dataset, const fs::path& folder, const std::string& part) {
  fs::create_directories(folder / "labels" / part);
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo& image = dataset.info(i);
    const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
    write_image(folder / "images" / part / fmt::format("{}.jpg", i), dataset.load(i));
    std::ofstream labels(folder / "labels" / part / fmt::format("{}.txt", i));
    for (const Annotation& a : dataset.annotations(i)) {
      const auto& [x, y, w, h] = a.bbox;
      labels << fmt::format("{} {:.6f} {:.6f} {:.6f} {:.6f}\n", a.label, (x + w / 2) / width,
                            (y + h / 2) / height, w / width, h / height);
    }
  }
}

void write_all(const fs::path& folder) {
  const ShapesDataset train = shapes("train", 8), val = shapes("val", 4);
  write_coco(train, folder / "data/coco", "train2017");
  write_coco(val, folder / "data/coco", "val2017");
  write_coco(train, folder / "my_coco", "train");
  write_coco(val, folder / "my_coco", "val");
  write_voc(train, folder / "my_voc", "train");
  write_voc(val, folder / "my_voc", "val");
  write_yolo(train, folder / "my_yolo", "train");
  write_yolo(val, folder / "my_yolo", "val");
  std::ofstream yaml(folder / "my_yolo/data.yaml");
  yaml << "path: .\ntrain: images/train\nval: images/val\nnames:\n";
  for (size_t i = 0; i < train.class_names().size(); ++i) {
    yaml << "  " << i << ": " << train.class_names()[i] << '\n';
  }
  for (int64_t i = 0; i < val.size(); ++i) {
    write_image(folder / "pictures" / fmt::format("street{}.jpg", i), val.load(i));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    write_all(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_docs_data: %s\n", error.what());
    return 1;
  }
}
