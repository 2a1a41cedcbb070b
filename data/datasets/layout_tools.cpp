#include <algorithm>

#include <kestrel/data/datasets/image_folder.h>
#include <kestrel/data/datasets/layout_parts.h>
#include <kestrel/data/image.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

template <class Options>
DatasetOptions records_options(const fs::path& source, const fs::path& pictures,
                               const PartOptions& part) {
  Options options;
  options.ann_file = source.string();
  options.img_prefix = pictures.string();
  options.part = part;
  return options;
}

/// Where LabelMe's imagePath begins is the JSON's folder; images/ beside it, if there are none.
fs::path labelme_pictures(const fs::path& folder, const fs::path& root) {
  std::error_code code;
  for (const fs::path& place : {folder, folder_named(root, "images")}) {
    for (const auto& entry : fs::directory_iterator(place, code)) {
      if (has_picture_name(entry.path())) return place;
    }
  }
  return folder;
}

/// Of an annotation file in root: images/, where there is one, else root itself.
fs::path pictures_beside(const fs::path& root) {
  const fs::path images = folder_named(root, "images");
  return has_directory(images) ? images : root;
}

bool has_labelme_file(const fs::path& folder) {
  return std::ranges::any_of(files_with(folder, ".json"), is_labelme);
}

}  // namespace

std::optional<DatasetOptions> find_labelme(const fs::path& root, Split split,
                                           const RecogniseOptions& options) {
  if (const auto choice =
          choose_part(annotated_parts(root, has_labelme_file), split, root, options)) {
    return records_options<LabelMeDatasetOptions>(
        choice->path, labelme_pictures(choice->path, root), choice->part);
  }
  std::vector<fs::path> places = {root};
  for (const fs::path& folder : folders_in(root)) places.push_back(folder);
  const auto folder = std::ranges::find_if(places, has_labelme_file);
  if (folder == places.end()) return std::nullopt;
  return records_options<LabelMeDatasetOptions>(*folder, labelme_pictures(*folder, root),
                                                shared_part(root, split, options));
}

std::optional<DatasetOptions> find_cvat(const fs::path& root, Split split,
                                        const RecogniseOptions& options) {
  std::vector<fs::path> files = files_with(root, ".xml");
  std::erase_if(files, [](const fs::path& file) {
    return head_of(file).find("<annotations>") == std::string::npos;
  });
  const auto choice = choose_part(files, split, root, options);
  if (!choice) return std::nullopt;
  return records_options<CvatDatasetOptions>(choice->path, pictures_beside(root), choice->part);
}

std::optional<DatasetOptions> find_middle(const fs::path& root, Split split,
                                          const RecogniseOptions& options) {
  std::vector<fs::path> files = files_with(root, ".json");
  if (files.empty()) files = files_with(folder_named(root, "annotations"), ".json");
  std::erase_if(files, [](const fs::path& file) { return !is_middle(file); });
  const auto choice = choose_part(files, split, root, options);
  if (!choice) return std::nullopt;
  return records_options<CustomDatasetOptions>(choice->path, pictures_beside(root), choice->part);
}

std::optional<DatasetOptions> find_csv(const fs::path& root, Split split,
                                       const RecogniseOptions& options) {
  const auto folders = annotated_parts(
      root, [](const fs::path& folder) { return !files_with(folder, ".csv").empty(); });
  if (const auto choice = choose_part(folders, split, root, options)) {  // Roboflow's
    return records_options<CsvDatasetOptions>(files_with(choice->path, ".csv").front(),
                                              choice->path, choice->part);
  }
  std::vector<fs::path> files = files_with(root, ".csv");
  if (files.empty()) files = files_with(folder_named(root, "annotations"), ".csv");
  if (files.empty()) return std::nullopt;
  const auto choice = choose_part(files, split, root, options);
  if (!choice) fail_part(root, files, split, ".csv file");
  return records_options<CsvDatasetOptions>(choice->path, pictures_beside(root), choice->part);
}

}  // namespace kestrel
