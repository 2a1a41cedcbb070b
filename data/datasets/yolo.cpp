#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include <kestrel/data/datasets/class_map.h>
#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/yolo.h>
#include <kestrel/data/datasets/yolo_labels.h>
#include <kestrel/data/datasets/yolo_yaml.h>
#include <kestrel/data/file.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

const std::vector<fs::path>& choose_part(const YoloYaml& yaml, const std::string& split,
                                         const std::string& file) {
  if (split != "train" && split != "val" && split != "test") {
    fail<UsageError>("[yolo] split must be train, val or test, got '", split, "'");
  }
  const std::string chosen = yaml.part_for(split);
  if (chosen.empty()) fail<DataError>("[yolo] ", file, ": has no ", split);
  const YoloYaml::Part& part = yaml.part(chosen);
  if (!part.problem.empty()) fail<DataError>(part.problem);
  return part.sources;
}

/// What the files of an image say.
struct Entry {
  ImageSize size;
  std::string error;  ///< Why the image cannot be used.
  bool labelled = false;
  YoloLabels labels;
};

Entry read_entry(const fs::path& image, const YoloLabelFormat& format) {
  Entry entry;
  try {
    entry.size = read_image_size(image);
    const fs::path file = yolo_label_file(image);
    std::error_code code;
    if (fs::exists(file, code)) {
      const auto bytes = read_file("yolo", file);
      entry.labelled = true;
      entry.labels =
          parse_yolo_labels({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, format);
    }
  } catch (const DataError& error) {
    entry.error = error.what();
  }
  return entry;
}

std::vector<Entry> read_entries(const std::vector<fs::path>& images,
                                const YoloLabelFormat& format) {
  std::vector<Entry> entries(images.size());
  parallel_for(static_cast<int64_t>(images.size()), 32, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      entries[i] = read_entry(images[i], format);
    }
  });
  return entries;
}

std::shared_ptr<const Segmentation> outline_of(const YoloLabel& label, ImageSize size) {
  if (label.polygon.empty()) return nullptr;
  std::vector<double> points = label.polygon;
  for (size_t i = 0; i < points.size(); ++i) {
    points[i] *= static_cast<double>(i % 2 == 0 ? size.width : size.height);
  }
  return std::make_shared<Segmentation>(Segmentation{.polygons = {std::move(points)}});
}

Annotation annotation_of(const YoloLabel& box, ImageSize size, int64_t label, int64_t id) {
  const auto w = static_cast<double>(size.width), h = static_cast<double>(size.height);
  const auto [x1, y1, x2, y2] = box.corners;
  return {.id = id,
          .label = label,
          .bbox = {x1 * w, y1 * h, (x2 - x1) * w, (y2 - y1) * h},
          .area = (x2 - x1) * w * (y2 - y1) * h};
}

}  // namespace

YoloDataset::YoloDataset(const YoloDatasetOptions& options) : Dataset("yolo") {
  if (options.ann_file.empty()) fail<UsageError>("[yolo] ann_file is not set");
  const std::string file = (fs::path(options.data_root) / options.ann_file).string();
  const YoloYaml yaml = read_yolo_yaml(file);
  const auto& sources = choose_part(yaml, options.split, file);
  Complaints complaints("[yolo] " + file, options.strict);
  const ClassMap classes =
      map_classes(yaml.names, options.classes,
                  {.where = file, .test_mode = options.test_mode, .tag = "[yolo]"}, complaints);
  set_classes(classes);

  const std::vector<fs::path> images = list_yolo_images(sources, complaints);
  if (images.empty()) {
    fail<DataError>("[yolo] ", file, ": no image for ", options.split, " in ",
                    sources.front().string());
  }
  std::vector<Entry> entries = read_entries(
      images,
      {.num_classes = static_cast<int64_t>(yaml.names.size()), .pose_values = yaml.pose_values});
  if (std::ranges::none_of(entries, &Entry::labelled) && !options.test_mode) {
    fail<DataError>("[yolo] ", file, ": none of the ", images.size(),
                    " images has a label file; the first was looked for as ",
                    yolo_label_file(images.front()).string());
  }

  int64_t next_id = 1, cut = 0;
  std::string first_cut;
  for (size_t i = 0; i < images.size(); ++i) {
    Entry& entry = entries[i];
    if (!entry.error.empty()) {
      complaints.dropped("the image cannot be used: ", entry.error);
      continue;
    }
    for (const std::string& problem : entry.labels.problems) {
      complaints.dropped(yolo_label_file(images[i]).string(), ": ", problem);
    }
    if (entry.labels.cut > 0 && cut == 0) first_cut = yolo_label_file(images[i]).string();
    cut += entry.labels.cut;
    std::vector<Annotation> objects;
    for (const YoloLabel& box : entry.labels.boxes) {
      const int64_t label = classes.labels[static_cast<size_t>(box.label)];
      if (label < 0) continue;
      objects.push_back(annotation_of(box, entry.size, label, next_id++));
      if (options.with_mask) objects.back().segmentation = outline_of(box, entry.size);
    }
    ImageInfo info{.id = static_cast<int64_t>(i) + 1,
                   .file = images[i].string(),
                   .width = entry.size.width,
                   .height = entry.size.height};
    if (options.test_mode) {
      add_image(std::move(info), objects);
    } else {
      add_training_image(std::move(info), objects, options.filter_empty_gt);
    }
  }
  if (cut > 0) {
    complaints.note(cut, " boxes reach past their images and are cut to them, the first in ",
                    first_cut);
    add_past_edge(cut);
  }
  finish(complaints, {.file = file,
                      .training = !options.test_mode,
                      .listed = static_cast<int64_t>(images.size()),
                      .filter_empty = options.filter_empty_gt,
                      .part = options.part});
}

}  // namespace kestrel
