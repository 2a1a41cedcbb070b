#include <algorithm>
#include <filesystem>
#include <optional>

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
  const auto& wanted = split == "train" ? yaml.train : split == "val" ? yaml.val : yaml.test;
  const auto& instead = split == "val" ? yaml.test : split == "test" ? yaml.val : yaml.train;
  const auto& chosen = wanted.empty() ? instead : wanted;
  if (chosen.empty()) fail<DataError>("[yolo] ", file, ": has no ", split);
  return chosen;
}

/// What the files of an image say.
struct Entry {
  ImageSize size;
  std::string error;  ///< Why the image cannot be used.
  bool labelled = false;
  YoloLabels labels;
};

Entry read_entry(const fs::path& image, int64_t num_classes) {
  Entry entry;
  try {
    entry.size = read_image_size(image);
    const fs::path file = yolo_label_file(image);
    std::error_code code;
    if (fs::exists(file, code)) {
      const auto bytes = read_file("yolo", file);
      entry.labelled = true;
      entry.labels = parse_yolo_labels({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                                       num_classes);
    }
  } catch (const DataError& error) {
    entry.error = error.what();
  }
  return entry;
}

std::vector<Entry> read_entries(const std::vector<fs::path>& images, int64_t num_classes) {
  std::vector<Entry> entries(images.size());
  parallel_for(static_cast<int64_t>(images.size()), 32, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      entries[i] = read_entry(images[i], num_classes);
    }
  });
  return entries;
}

/// The new label of every class of the file, -1 for those that were not asked for.
std::vector<int64_t> select_classes(const std::vector<std::string>& names,
                                    const std::vector<std::string>& classes,
                                    const std::string& file) {
  for (const std::string& name : classes) {
    if (std::ranges::find(names, name) == names.end()) {
      fail<DataError>("[yolo] ", file, ": has ", no_such_class(name, names));
    }
  }
  std::vector<int64_t> labels;
  int64_t next = 0;
  for (const std::string& name : names) {
    const bool chosen = classes.empty() || std::ranges::find(classes, name) != classes.end();
    labels.push_back(chosen ? next++ : -1);
  }
  return labels;
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
  const std::vector<int64_t> labels = select_classes(yaml.names, options.classes, file);
  std::vector<std::string> names;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0) names.push_back(yaml.names[i]);
  }
  set_classes(std::move(names));

  Complaints complaints("[yolo] " + file, options.strict);
  const std::vector<fs::path> images = list_yolo_images(sources, complaints);
  if (images.empty()) {
    fail<DataError>("[yolo] ", file, ": no image for ", options.split, " in ",
                    sources.front().string());
  }
  std::vector<Entry> entries = read_entries(images, static_cast<int64_t>(yaml.names.size()));
  if (std::ranges::none_of(entries, &Entry::labelled) && !options.test_mode) {
    fail<DataError>("[yolo] ", file, ": none of the ", images.size(),
                    " images has a label file; the first was looked for as ",
                    yolo_label_file(images.front()).string());
  }

  constexpr int64_t kMinSide = 32;
  int64_t next_id = 1, empty = 0, small = 0;
  for (size_t i = 0; i < images.size(); ++i) {
    Entry& entry = entries[i];
    if (!entry.error.empty()) {
      complaints.dropped("the image cannot be used: ", entry.error);
      continue;
    }
    for (const std::string& problem : entry.labels.problems) {
      complaints.dropped(yolo_label_file(images[i]).string(), ": ", problem);
    }
    std::vector<Annotation> objects;
    for (const YoloLabel& box : entry.labels.boxes) {
      const int64_t label = labels[static_cast<size_t>(box.label)];
      if (label >= 0) objects.push_back(annotation_of(box, entry.size, label, next_id++));
    }
    if (!options.test_mode) {
      const bool too_small = std::min(entry.size.width, entry.size.height) < kMinSide;
      const bool no_objects = options.filter_empty_gt && objects.empty();
      small += too_small;
      empty += no_objects && !too_small;
      if (too_small || no_objects) continue;
    }
    add_image({.id = static_cast<int64_t>(i) + 1,
               .file = images[i].string(),
               .width = entry.size.width,
               .height = entry.size.height},
              objects);
  }
  finish(complaints, file, !options.test_mode);
  if (size() == 0) {
    fail<DataError>("[yolo] ", file, ": no image is left of ", images.size(), ": ", empty,
                    " without an object of the ", num_classes(), " classes, ", small,
                    " with a side under ", kMinSide, " pixels");
  }
}

}  // namespace kestrel
