#include <algorithm>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/layout_parts.h>
#include <kestrel/data/datasets/yolo_yaml.h>
#include <kestrel/kernels/error.h>

namespace kestrel {

namespace fs = std::filesystem;

std::optional<fs::path> find_yaml(const fs::path& folder) {
  std::vector<fs::path> files = files_with(folder, ".yaml");
  for (const fs::path& file : files_with(folder, ".yml")) files.push_back(file);
  const auto is_data = [](const fs::path& file) {
    return lower_case(file.stem().string()) == "data";
  };
  std::stable_partition(files.begin(), files.end(), is_data);
  std::vector<fs::path> found;
  for (const fs::path& file : files) {
    if (is_data(file) || is_yolo_yaml(file)) found.push_back(file);
  }
  if (found.empty()) return std::nullopt;
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (const fs::path& file : found) names.push_back(file.filename().string());
    Complaints("[data] " + folder.string(), false)
        .note("there are the YAML files ", quoted_list(names),
              "; taken: ", found.front().filename().string());
  }
  return found.front();
}

std::optional<DatasetOptions> find_yolo(const fs::path& path, Split split,
                                        const RecogniseOptions& options) {
  const auto file = has_file(path) ? std::optional(path) : find_yaml(path);
  YoloDatasetOptions yolo{.ann_file = file.value_or(path).string(), .split = to_string(split)};
  try {
    const YoloYaml yaml = read_yolo_yaml(yolo.ann_file);
    const std::string part = yaml.part_for(yolo.split);
    if (!file && part.empty() && !yaml.train.is_there()) return std::nullopt;
    if (!part.empty()) yolo.split = part;
    if (yaml.train.is_there() && !yaml.val.is_there() && !yaml.test.is_there()) {
      yolo.split = "train";
      yolo.part = shared_part(path, split, options);
    }
  } catch (const DataError&) {  // which opening it tells of
    if (!file) return std::nullopt;
  }
  return yolo;
}

}  // namespace kestrel
