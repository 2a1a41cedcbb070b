#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <kestrel/data/datasets/coco.h>
#include <kestrel/data/datasets/coco_index.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

fs::path join(const std::string& root, const std::string& path) {
  return fs::path(root) / path;  // an absolute path replaces the root
}

// folder / name, as paths are joined.
std::string file_in(const std::string& folder, std::string_view name) {
  if (name.starts_with('/') || folder.empty()) return std::string(name);
  std::string file;
  file.reserve(folder.size() + 1 + name.size());
  file += folder;
  if (!folder.ends_with('/')) file += '/';
  return file += name;
}

// The picture of classes that belongs to an image: a .png of the same name.
std::string semantic_name(const std::string& image) {
  return fs::path(image).replace_extension(".png").string();
}

// The label of each category of the file, -1 for those that were not asked for.
std::vector<int64_t> select_classes(const CocoIndex& index, const std::vector<std::string>& classes,
                                    const std::string& path) {
  std::vector<std::string> present;
  std::vector<int64_t> labels;
  int64_t next = 0;
  for (size_t i = 0; i < index.categories.size(); ++i) {
    present.emplace_back(index.category_name(i));
    const bool chosen =
        classes.empty() || std::ranges::find(classes, present.back()) != classes.end();
    labels.push_back(chosen ? next++ : -1);
  }
  if (present.empty()) fail<DataError>("[coco] ", path, ": has no categories");
  for (const auto& name : classes) {
    if (std::ranges::find(present, name) == present.end()) {
      fail<DataError>("[coco] ", path, ": has ", no_such_class(name, present));
    }
  }
  return labels;
}

// The size of the picture, also where the annotations do not have it; none where that fails.
std::optional<ImageSize> size_of(const CocoIndex::Image& image, const std::string& file,
                                 Complaints& complaints) {
  if (image.width > 0 && image.height > 0) return ImageSize{image.height, image.width};
  try {
    return read_image_size(file);
  } catch (const DataError& error) {
    complaints.dropped("image ", image.id, " has no width and height, and ", error.what());
    return std::nullopt;
  }
}

// Why an object cannot be trained on; empty where it can.
std::string why_not_trainable(const CocoIndex::Object& o, ImageSize size) {
  const auto [x, y, w, h] = o.bbox;
  const double in_x = std::min<double>(x + w, static_cast<double>(size.width)) - std::max(x, 0.0);
  const double in_y = std::min<double>(y + h, static_cast<double>(size.height)) - std::max(y, 0.0);
  if (w >= 1 && h >= 1 && !(o.area <= 0) && in_x > 0 && in_y > 0) return {};
  std::ostringstream why;
  if (w < 1) {
    why << " has width " << w;
  } else if (h < 1) {
    why << " has height " << h;
  } else if (o.area <= 0) {
    why << " has area " << o.area;
  } else {
    why << " has the box [" << x << ", " << y << ", " << w << ", " << h << "] outside the "
        << size.width << "x" << size.height << " image";
  }
  return why.str();
}

}  // namespace

CocoDataset::CocoDataset(const CocoDatasetOptions& options) : Dataset("coco") {
  const std::string path = join(options.data_root, options.ann_file).string();
  const fs::path folder = join(options.data_root, options.img_prefix);
  if (options.ann_file.empty()) fail<UsageError>("[coco] ann_file is not set");
  Complaints complaints("[coco] " + path, options.strict);
  const CocoIndex index = load_coco_index(path, options.with_mask, options.index_cache, complaints);
  std::error_code code;
  if (!fs::is_directory(folder, code)) {
    fail<DataError>("[coco] ", folder.string(), ": the folder with the images of ", path,
                    " does not exist");
  }
  const std::vector<int64_t> labels = select_classes(index, options.classes, path);
  std::vector<std::string> names;
  std::vector<int64_t> ids;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) continue;
    names.emplace_back(index.category_name(i));
    ids.push_back(index.categories[i].id);
  }
  set_classes(std::move(names), std::move(ids));

  constexpr int64_t kMinSide = 32;
  int64_t empty = 0, small = 0;
  reserve(static_cast<int64_t>(index.images.size()), static_cast<int64_t>(index.objects.size()));
  const std::string prefix = folder.string();
  const std::string semantic_prefix =
      options.seg_prefix.empty() ? "" : join(options.data_root, options.seg_prefix).string();
  std::vector<Annotation> annotations;
  size_t object = 0;
  for (size_t i = 0; i < index.images.size(); ++i) {
    const CocoIndex::Image& image = index.images[i];
    std::string file = file_in(prefix, index.image_name(i));
    const std::optional<ImageSize> size = size_of(image, file, complaints);
    annotations.clear();
    for (; object < image.objects_end; ++object) {
      const CocoIndex::Object& o = index.objects[object];
      if (!size || labels[o.category] < 0) continue;
      const std::string why = why_not_trainable(o, *size);
      if (!why.empty()) complaints.dropped("annotation ", o.id, " of image ", image.id, why);
      annotations.push_back(
          {.id = o.id,
           .label = labels[o.category],
           .bbox = o.bbox,
           .area = std::isnan(o.area) ? o.bbox[2] * o.bbox[3] : o.area,
           .crowd = o.crowd != 0,
           .trainable = why.empty() && o.ignore == 0,
           .segmentation = index.segmentations.empty() ? nullptr : index.segmentations[object]});
    }
    if (!size) continue;
    if (!options.test_mode) {
      const bool too_small = std::min(size->width, size->height) < kMinSide;
      const bool no_objects = options.filter_empty_gt && annotations.empty();
      small += too_small;
      empty += no_objects && !too_small;
      if (too_small || no_objects) continue;
    }
    std::string semantic_file;
    if (!semantic_prefix.empty()) {
      semantic_file = semantic_name(file_in(semantic_prefix, index.image_name(i)));
    }
    add_image({.id = image.id,
               .file = std::move(file),
               .width = size->width,
               .height = size->height,
               .semantic_file = std::move(semantic_file)},
              annotations);
  }
  finish(complaints, path, !options.test_mode);
  if (size() == 0) {
    fail<DataError>("[coco] ", path, ": no image is left of ", index.images.size(), ": ", empty,
                    " without an object of the ", num_classes(), " classes, ", small,
                    " with a side under ", kMinSide, " pixels");
  }
}

}  // namespace kestrel
