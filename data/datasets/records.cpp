#include <kestrel/data/datasets/records.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <kestrel/data/datasets/class_map.h>
#include <kestrel/data/datasets/image_folder.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

fs::path under(const std::string& root, const std::string& path) {
  return fs::path(root) / path;
}

fs::path picture_folder(const RecordsOptions& options) {
  if (!options.img_prefix.empty()) return under(options.data_root, options.img_prefix);
  const fs::path source = RecordsDataset::source_of(options);
  std::error_code code;
  return fs::is_directory(source, code) ? source : source.parent_path();
}

/// As written, with the slashes of Windows turned, or the last part alone.
fs::path find_picture(const fs::path& folder, const std::string& name) {
  std::error_code code;
  for (const NameForm form : {NameForm::AsWritten, NameForm::Slashes, NameForm::LastPart}) {
    fs::path file = folder / in_form(name, form);
    if (fs::is_regular_file(file, code)) return file;
  }
  return folder / in_form(name, NameForm::LastPart);
}

std::vector<std::string> names_in(const Records& records) {
  if (!records.classes.empty()) return records.classes;
  std::set<std::string> names;
  for (const PictureRecord& picture : records.pictures) {
    for (const PictureRecord::Object& object : picture.objects) {
      if (!object.name.empty()) names.insert(object.name);
    }
  }
  return {names.begin(), names.end()};
}

/// Shares of the picture become pixels.
void scale_objects(PictureRecord& picture, const ImageInfo& image) {
  const std::array<double, 2> sides = {static_cast<double>(image.width),
                                       static_cast<double>(image.height)};
  for (PictureRecord::Object& object : picture.objects) {
    for (size_t i = 0; i < 4; ++i) object.corners[i] *= sides[i % 2];
  }
}

/// Turns objects into annotations.
class ObjectReader {
 public:
  ObjectReader(const ClassMap& classes, const std::vector<std::string>& names, bool with_mask,
               Complaints& complaints)
      : with_mask_(with_mask), complaints_(complaints) {
    for (size_t i = 0; i < names.size(); ++i) labels_.emplace(names[i], classes.labels[i]);
  }

  std::vector<Annotation> read(const PictureRecord& picture, const ImageInfo& image) {
    std::vector<Annotation> out;
    for (const PictureRecord::Object& object : picture.objects) {
      const auto label = labels_.find(object.name);
      if (label == labels_.end()) {
        complaints_.dropped(picture.source, ": an object of the class '", object.name,
                            "', which is not listed");
        continue;
      }
      if (label->second < 0) continue;
      add(object, label->second, picture, image, out);
    }
    return out;
  }

 private:
  void add(const PictureRecord::Object& object, int64_t label, const PictureRecord& picture,
           const ImageInfo& image, std::vector<Annotation>& out) {
    const auto w = static_cast<double>(image.width), h = static_cast<double>(image.height);
    const auto& [x1, y1, x2, y2] = object.corners;
    const double left = std::clamp(x1, 0.0, w), right = std::clamp(x2, 0.0, w);
    const double top = std::clamp(y1, 0.0, h), bottom = std::clamp(y2, 0.0, h);
    if (!(right > left && bottom > top)) {
      complaints_.dropped(picture.source, ": the box [", x1, ", ", y1, ", ", x2, ", ", y2,
                          "] (x1, y1, x2, y2) of class '", object.name, "' has nothing inside the ",
                          image.width, "x", image.height, " picture");
      return;
    }
    Annotation annotation{.id = next_id_++,
                          .label = label,
                          .bbox = {left, top, right - left, bottom - top},
                          .area = (right - left) * (bottom - top),
                          .difficult = object.difficult};
    if (with_mask_ && !object.polygons.empty()) {
      annotation.segmentation =
          std::make_shared<Segmentation>(Segmentation{.polygons = object.polygons});
    }
    out.push_back(std::move(annotation));
  }

  std::map<std::string, int64_t> labels_;
  bool with_mask_;
  Complaints& complaints_;
  int64_t next_id_ = 1;
};

}  // namespace

std::array<double, 4> box_around(const std::vector<double>& points) {
  std::array<double, 4> box = {points[0], points[1], points[0], points[1]};
  for (size_t i = 2; i + 1 < points.size(); i += 2) {
    box = {std::min(box[0], points[i]), std::min(box[1], points[i + 1]),
           std::max(box[2], points[i]), std::max(box[3], points[i + 1])};
  }
  return box;
}

fs::path RecordsDataset::source_of(const RecordsOptions& options) {
  if (options.ann_file.empty()) fail<UsageError>("[data] ann_file is not set");
  return under(options.data_root, options.ann_file);
}

RecordsDataset::RecordsDataset(std::string name, Records records, const RecordsOptions& options,
                               Complaints& complaints)
    : Dataset(std::move(name)) {
  const std::string source = source_of(options).string();
  const fs::path folder = picture_folder(options);
  for (PictureRecord& picture : records.pictures) {
    for (PictureRecord::Object& object : picture.objects) object.name = class_name_of(object.name);
  }
  const std::vector<std::string> names = names_in(records);
  if (names.empty()) {
    fail<DataError>("[", this->name(), "] ", source, ": no object of the ", records.pictures.size(),
                    " pictures has a class");
  }
  const ClassMap classes =
      map_classes(names, options.classes,
                  {.where = source, .test_mode = options.test_mode, .may_lack = true}, complaints);
  set_classes(classes);
  ObjectReader reader(classes, names, options.with_mask, complaints);
  int64_t id = 0;
  for (PictureRecord& picture : records.pictures) {
    ImageInfo info{.id = ++id,
                   .file = find_picture(folder, picture.file).string(),
                   .width = picture.width,
                   .height = picture.height};
    if (info.width <= 0 || info.height <= 0) {
      try {
        const ImageSize size = read_image_size(info.file);
        info.width = size.width;
        info.height = size.height;
      } catch (const DataError& error) {
        complaints.dropped(picture.source, ": the picture cannot be used: ", error.what());
        continue;
      }
    }
    if (records.are_shares) scale_objects(picture, info);
    const std::vector<Annotation> objects = reader.read(picture, info);
    if (options.test_mode) {
      add_image(std::move(info), objects);
    } else {
      add_training_image(std::move(info), objects, options.filter_empty_gt);
    }
  }
  finish(complaints, {.file = source,
                      .training = !options.test_mode,
                      .listed = id,
                      .filter_empty = options.filter_empty_gt,
                      .part = options.part});
}

}  // namespace kestrel
