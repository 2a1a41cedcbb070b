#include <algorithm>
#include <filesystem>
#include <unordered_map>
#include <unordered_set>

#include <kestrel/data/datasets/coco.h>
#include <kestrel/data/datasets/coco_file.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

fs::path join(const std::string& root, const std::string& path) {
  return fs::path(root) / path;  // an absolute path replaces the root
}

struct Labels {
  std::vector<std::string> names;
  std::vector<int64_t> ids;
  std::unordered_map<int64_t, int64_t> by_id;
  std::unordered_set<int64_t> known;  // also categories that were not asked for
};

Labels select_classes(const CocoFile& file, const std::vector<std::string>& classes,
                      const std::string& path, Complaints& complaints) {
  Labels labels;
  std::vector<std::string> present;
  for (const auto& category : file.categories) {
    if (!labels.known.insert(category.id).second) {
      complaints.dropped("category ", category.id, " '", category.name,
                         "' has the id of an earlier category");
      continue;
    }
    present.push_back(category.name);
    if (!classes.empty() && std::ranges::find(classes, category.name) == classes.end()) continue;
    labels.by_id[category.id] = static_cast<int64_t>(labels.names.size());
    labels.names.push_back(category.name);
    labels.ids.push_back(category.id);
  }
  if (present.empty()) fail<DataError>("[coco] ", path, ": has no categories");
  for (const auto& name : classes) {
    if (std::ranges::find(present, name) == present.end()) {
      fail<DataError>("[coco] ", path, ": has no class '", name, "'; there are ",
                      quoted_list(present));
    }
  }
  return labels;
}

// Empty where the annotation can be trained on.
std::string why_not_trainable(const CocoFile::Record& r, const ImageInfo& image) {
  const auto [x, y, w, h] = r.bbox;
  std::ostringstream why;
  if (w < 1) {
    why << " has width " << w;
  } else if (h < 1) {
    why << " has height " << h;
  } else if (r.area && *r.area <= 0) {
    why << " has area " << *r.area;
  } else {
    const double in_x =
        std::min<double>(x + w, static_cast<double>(image.width)) - std::max(x, 0.0);
    const double in_y =
        std::min<double>(y + h, static_cast<double>(image.height)) - std::max(y, 0.0);
    if (in_x <= 0 || in_y <= 0) {
      why << " has the box [" << x << ", " << y << ", " << w << ", " << h << "] outside the "
          << image.width << "x" << image.height << " image";
    }
  }
  return why.str();
}

}  // namespace

CocoDataset::CocoDataset(const CocoDatasetOptions& options) : Dataset("coco") {
  const std::string path = join(options.data_root, options.ann_file).string();
  const fs::path folder = join(options.data_root, options.img_prefix);
  if (options.ann_file.empty()) fail<UsageError>("[coco] ann_file is not set");
  Complaints complaints("[coco] " + path, options.strict);
  CocoFile file = read_coco_file(path, options.with_mask, complaints);
  std::error_code code;
  if (!fs::is_directory(folder, code)) {
    fail<DataError>("[coco] ", folder.string(), ": the folder with the images of ", path,
                    " does not exist");
  }
  Labels labels = select_classes(file, options.classes, path, complaints);

  std::unordered_map<int64_t, size_t> image_by_id;
  std::vector<bool> usable(file.images.size(), true);
  for (size_t i = 0; i < file.images.size(); ++i) {
    ImageInfo& image = file.images[i];
    if (!image_by_id.emplace(image.id, i).second) {
      complaints.dropped("image ", image.id, " (", image.file, ") has the id of an earlier image");
      usable[i] = false;
      continue;
    }
    const std::string name = image.file;
    image.file = (folder / name).string();
    if (image.width > 0 && image.height > 0) continue;
    try {
      const ImageSize size = read_image_size(image.file);
      image.width = size.width;
      image.height = size.height;
    } catch (const DataError& error) {
      complaints.dropped("image ", image.id, " has no width and height, and ", error.what());
      usable[i] = false;
    }
  }

  std::vector<std::vector<Annotation>> per_image(file.images.size());
  std::unordered_set<int64_t> seen;
  seen.reserve(file.annotations.size());
  for (CocoFile::Record& r : file.annotations) {
    const auto at = image_by_id.find(r.image_id);
    const auto drop = [&](const auto&... why) {
      complaints.dropped("annotation ", r.id, " of image ", r.image_id, why...);
    };
    if (at == image_by_id.end()) {
      drop(": there is no such image");
      continue;
    }
    if (!labels.known.contains(r.category_id)) {
      drop(" has category_id ", r.category_id, ", which is not among the categories");
      continue;
    }
    if (!seen.insert(r.id).second) {
      complaints.note("annotation ", r.id, " of image ", r.image_id,
                      " has the id of an earlier annotation");
    }
    const auto label = labels.by_id.find(r.category_id);
    if (label == labels.by_id.end()) continue;
    Annotation a;
    a.id = r.id;
    a.label = label->second;
    a.bbox = r.bbox;
    a.area = r.area.value_or(r.bbox[2] * r.bbox[3]);
    a.crowd = r.crowd;
    a.segmentation = std::move(r.segmentation);
    const std::string why = why_not_trainable(r, file.images[at->second]);
    if (!why.empty()) drop(why);
    a.trainable = why.empty() && !r.ignore;
    per_image[at->second].push_back(std::move(a));
  }

  constexpr int64_t kMinSide = 32;
  int64_t empty = 0, small = 0;
  set_classes(std::move(labels.names), std::move(labels.ids));
  reserve(static_cast<int64_t>(file.images.size()), static_cast<int64_t>(file.annotations.size()));
  for (size_t i = 0; i < file.images.size(); ++i) {
    if (!usable[i]) continue;
    if (!options.test_mode) {
      const bool too_small = std::min(file.images[i].width, file.images[i].height) < kMinSide;
      const bool no_objects = options.filter_empty_gt && per_image[i].empty();
      small += too_small;
      empty += no_objects && !too_small;
      if (too_small || no_objects) continue;
    }
    add_image(std::move(file.images[i]), std::move(per_image[i]));
  }
  complaints.finish();
  if (size() == 0) {
    fail<DataError>("[coco] ", path, ": no image is left of ", file.images.size(), ": ", empty,
                    " without an object of the ", num_classes(), " classes, ", small,
                    " with a side under ", kMinSide, " pixels");
  }
}

}  // namespace kestrel
