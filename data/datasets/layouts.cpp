#include <kestrel/data/datasets/layouts.h>

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include <kestrel/data/datasets/layout_parts.h>
#include <kestrel/data/image.h>

namespace kestrel {

namespace fs = std::filesystem;

std::optional<DatasetOptions> find_layout(const fs::path& path, Split split,
                                          const RecogniseOptions& options) {
  if (auto found = find_given(path, split, options)) return found;
  if (has_directory(path)) {
    // The likeliest first; a tree may look like several.
    for (const auto find : {find_coco, find_voc, find_coco_parts, find_voc_parts}) {
      if (auto found = find(path, split, options)) return found;
    }
    if (find_yaml(path)) return find_yolo(path, split, options);
    for (const auto find : {find_coco_beside, find_middle, find_cvat, find_labelme, find_voc_folder,
                            find_csv, find_yolo}) {
      if (auto found = find(path, split, options)) return found;
    }
    return std::nullopt;
  }
  return find_yolo(path, split, options);
}

std::string describe_folder(const fs::path& folder) {
  std::map<fs::path, size_t> pictures;
  std::error_code code;
  size_t total = 0;
  for (auto at = fs::recursive_directory_iterator(folder, code);
       at != fs::recursive_directory_iterator(); at.increment(code)) {
    if (code || at.depth() > 4 || total > 100'000) break;
    if (!has_picture_name(at->path())) continue;
    ++pictures[at->path().parent_path()];
    ++total;
  }
  if (pictures.empty()) return "it holds no pictures";
  const auto fullest = std::ranges::max_element(pictures, {}, [](auto& p) { return p.second; });
  const std::string name = fullest->first.lexically_relative(folder).string();
  return fmt::format(
      "it holds {} pictures ({} in {}) and no annotations of them that are known: looked for "
      "COCO's "
      ".json, VOC's or CVAT's .xml, YOLO's .txt, LabelMe's .json and a .csv, beside the pictures, "
      "in annotations/ and in labels/",
      total, fullest->second, name == "." ? "it" : name + "/");
}

}  // namespace kestrel
