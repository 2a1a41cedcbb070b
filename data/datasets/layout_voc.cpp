#include <algorithm>
#include <iterator>
#include <set>

#include <kestrel/data/datasets/image_folder.h>
#include <kestrel/data/datasets/layout_parts.h>
#include <kestrel/data/datasets/split_files.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

bool has_voc_file(const fs::path& folder) {
  const std::vector<fs::path> files = files_with(folder, ".xml");
  return std::ranges::any_of(files, [](const fs::path& file) {
    const std::string head = head_of(file);
    return head.find("<annotation>") != std::string::npos ||
           head.find("<annotation ") != std::string::npos;
  });
}

/// The folder, of the folder of the annotations and those around it, that holds most of their
/// pictures.
std::optional<fs::path> picture_folder_of(const fs::path& root, const fs::path& annotations) {
  std::set<std::string> stems;
  for (const fs::path& file : files_with(annotations, ".xml")) stems.insert(file.stem().string());
  std::vector<fs::path> places = {annotations, folder_named(root, "images"),
                                  folder_named(root, "JPEGImages"), root};
  for (const fs::path& folder : folders_in(root)) {
    places.push_back(folder);
    for (const fs::path& below : folders_in(folder)) places.push_back(below);
  }
  std::optional<fs::path> best;
  size_t most = 0;
  std::error_code code;
  for (const fs::path& place : places) {
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(place, code)) {
      count += has_picture_name(entry.path()) && stems.contains(entry.path().stem().string());
    }
    if (count <= most) continue;
    most = count;
    best = place;
  }
  return best;
}

DatasetOptions voc_folder(const fs::path& root, const fs::path& annotations,
                          const PartOptions& part) {
  const auto pictures = picture_folder_of(root, annotations);
  if (!pictures) {
    fail<DataError>("[data] ", root.string(), ": there are ",
                    files_with(annotations, ".xml").size(), " annotations in ",
                    annotations.string(),
                    ", and no pictures with their names; put the pictures beside them, or in "
                    "images/ or JPEGImages/");
  }
  VocDatasetOptions voc{.img_prefix = root.string(),
                        .ann_subdir = annotations.lexically_relative(root).string(),
                        .img_subdir = pictures->lexically_relative(root).string()};
  voc.part = part;
  return voc;
}

}  // namespace

std::optional<DatasetOptions> find_voc(const fs::path& given, Split split,
                                       const RecogniseOptions& options) {
  fs::path root = given;
  const auto is_voc = [](const fs::path& p) {
    return has_directory(p / "Annotations") && has_directory(p / "JPEGImages");
  };
  for (const char* below : {"", "VOC2007", "VOC2012", "VOCdevkit/VOC2007", "VOCdevkit/VOC2012"}) {
    if (is_voc(given / below)) {
      root = *below ? given / below : given;
      break;
    }
  }
  if (!is_voc(root)) return std::nullopt;
  const fs::path lists = root / "ImageSets" / "Main";
  const std::vector<fs::path> files = files_with(lists, ".txt");
  if (files.empty()) return std::nullopt;  // as any folders of annotations and pictures
  // The lists of classes (aeroplane_train.txt) are not of all images.
  std::vector<fs::path> whole;
  std::ranges::copy_if(files, std::back_inserter(whole), [](const fs::path& file) {
    const std::string stem = lower_case(file.stem().string());
    return part_word(stem) == stem;
  });
  if (whole.empty() && files.size() == 1) whole = files;  // CVAT's default.txt
  const auto choice = choose_part(whole, split, root, options);
  if (!choice) fail_part(lists, files, split, "list");
  VocDatasetOptions voc{.ann_file = choice->path.string(), .img_prefix = root.string()};
  voc.part = choice->part;
  return voc;
}

std::optional<DatasetOptions> find_voc_parts(const fs::path& root, Split split,
                                             const RecogniseOptions& options) {
  const auto choice = choose_part(annotated_parts(root, has_voc_file), split, root, options);
  if (!choice) return std::nullopt;
  return voc_folder(root, choice->path, choice->part);
}

std::optional<DatasetOptions> find_voc_folder(const fs::path& root, Split split,
                                              const RecogniseOptions& options) {
  std::vector<fs::path> places = {root};
  for (const fs::path& folder : folders_in(root)) places.push_back(folder);
  const auto annotations = std::ranges::find_if(places, has_voc_file);
  if (annotations == places.end()) return std::nullopt;
  return voc_folder(root, *annotations, shared_part(root, split, options));
}

}  // namespace kestrel
