#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include <kestrel/data/datasets/class_map.h>
#include <kestrel/data/datasets/coco.h>
#include <kestrel/data/datasets/coco_index.h>
#include <kestrel/data/datasets/image_folder.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

fs::path join(const std::string& root, const std::string& path) {
  return fs::path(root) / path;  // an absolute path replaces the root
}

/// The picture of classes that belongs to an image: a .png of the same name.
std::string semantic_name(const std::string& image) {
  return fs::path(image).replace_extension(".png").string();
}

/// How the file names of an index become those of files; tells where they are not where they should
/// be.
ImagePlace find_place(const CocoIndex& index, const fs::path& folder, const std::string& path,
                      Complaints& complaints) {
  constexpr size_t kSample = 20;
  std::vector<std::string> names;
  const size_t step = std::max<size_t>(1, index.images.size() / kSample);
  for (size_t i = 0; i < index.images.size() && names.size() < kSample; i += step) {
    names.emplace_back(index.image_name(i));
  }
  const auto found = find_images_nearby(names, folder, path);
  if (!found) return {folder};
  if (found->form == NameForm::LastPart) {
    std::unordered_set<std::string> distinct;
    for (size_t i = 0; i < index.images.size(); ++i) {
      if (!distinct.insert(in_form(index.image_name(i), found->form)).second) return {folder};
    }
  }
  complaints.note(
      "its images are not where it says, such as ", file_in(folder.string(), names.front()),
      "; taken: ", file_in(found->folder.string(), in_form(names.front(), found->form)));
  return *found;
}

ClassMap map_categories(const CocoIndex& index, const CocoDatasetOptions& options,
                        const std::string& path, Complaints& complaints) {
  std::vector<std::string> names;
  for (size_t i = 0; i < index.categories.size(); ++i) names.emplace_back(index.category_name(i));
  if (names.empty()) fail<DataError>("[coco] ", path, ": has no categories");
  return map_classes(names, options.classes,
                     {.where = path, .test_mode = options.test_mode, .tag = "[coco]"}, complaints);
}

// The size of the picture, also where the annotations do not have it; none where that fails.
template <class Describe>
std::optional<ImageSize> size_of(const CocoIndex::Image& image, const std::string& file,
                                 const Describe& describe, Complaints& complaints) {
  if (image.width > 0 && image.height > 0) return ImageSize{image.height, image.width};
  try {
    return read_image_size(file);
  } catch (const DataError& error) {
    complaints.dropped(describe(), " has no width and height, and ", error.what());
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
  const bool is_folder = fs::is_directory(folder, code);
  const ImagePlace place = find_place(index, folder, path, complaints);
  if (!is_folder && place.folder == folder) {
    fail<DataError>("[coco] ", folder.string(), ": the folder with the images of ", path,
                    " does not exist");
  }
  const ClassMap classes = map_categories(index, options, path, complaints);
  std::vector<int64_t> ids;
  for (const CocoIndex::Category& category : index.categories) ids.push_back(category.id);
  set_classes(classes, ids);

  reserve(static_cast<int64_t>(index.images.size()), static_cast<int64_t>(index.objects.size()));
  const std::string prefix = place.folder.string();
  const std::string semantic_prefix =
      options.seg_prefix.empty() ? "" : join(options.data_root, options.seg_prefix).string();
  std::vector<Annotation> annotations;
  size_t object = 0;
  for (size_t i = 0; i < index.images.size(); ++i) {
    const CocoIndex::Image& image = index.images[i];
    const std::string id_text(index.image_id_text(i));
    const auto describe = [&] {
      return "image " + (id_text.empty() ? std::to_string(image.id) : "'" + id_text + "'");
    };
    std::string file = file_in(prefix, in_form(index.image_name(i), place.form));
    const std::optional<ImageSize> size = size_of(image, file, describe, complaints);
    annotations.clear();
    for (; object < image.objects_end; ++object) {
      const CocoIndex::Object& o = index.objects[object];
      const int64_t label = classes.labels[o.category];
      if (!size || label < 0) continue;
      const std::string why = why_not_trainable(o, *size);
      if (!why.empty()) complaints.dropped("annotation ", o.id, " of ", describe(), why);
      annotations.push_back(
          {.id = o.id,
           .label = label,
           .bbox = o.bbox,
           .area = std::isnan(o.area) ? o.bbox[2] * o.bbox[3] : o.area,
           .crowd = o.crowd != 0,
           .trainable = why.empty() && o.ignore == 0,
           .segmentation = index.segmentations.empty() ? nullptr : index.segmentations[object]});
    }
    if (!size) continue;
    ImageInfo info{.id = image.id,
                   .file = std::move(file),
                   .width = size->width,
                   .height = size->height,
                   .id_text = id_text};
    if (!semantic_prefix.empty()) {
      info.semantic_file = semantic_name(file_in(semantic_prefix, index.image_name(i)));
    }
    if (options.test_mode) {
      add_image(std::move(info), annotations);
    } else {
      add_training_image(std::move(info), annotations, options.filter_empty_gt);
    }
  }
  finish(complaints, {.file = path,
                      .training = !options.test_mode,
                      .listed = static_cast<int64_t>(index.images.size()),
                      .filter_empty = options.filter_empty_gt,
                      .part = options.part});
}

}  // namespace kestrel
