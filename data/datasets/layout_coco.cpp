#include <algorithm>
#include <array>

#include <kestrel/data/datasets/image_folder.h>
#include <kestrel/data/datasets/layout_parts.h>
#include <kestrel/data/datasets/split_files.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

/// The folders that may hold the images of an annotation file, the likeliest first: named as its
/// last word (instances_val2017 -> val2017), or as the part, or after it (val2014 for minival), in
/// the root or in images/; images/ and the root themselves.
std::vector<fs::path> likely_folders(const fs::path& root, const fs::path& file,
                                     const std::string& word) {
  const std::string stem = lower_case(file.stem().string());
  const std::string last = stem.substr(stem.find_last_of('_') + 1);
  const fs::path images = folder_named(root, "images");
  const auto named = [&](const fs::path& folder, auto&& is_right) {
    std::vector<fs::path> found;
    std::ranges::copy_if(folders_in(folder), std::back_inserter(found), [&](const fs::path& path) {
      return is_right(lower_case(path.filename().string()), path.filename().string());
    });
    return found;
  };
  std::vector<fs::path> out;
  const auto add = [&](auto&& is_right) {
    for (const fs::path& folder : {root, images}) {
      for (const fs::path& path : named(folder, is_right)) out.push_back(path);
    }
  };
  add([&](const std::string& name, const std::string&) { return name == last; });
  add([&](const std::string& name, const std::string&) { return name == word; });
  add([&](const std::string&, const std::string& name) { return part_word(name) == word; });
  add([&](const std::string&, const std::string& name) {
    return is_same_part(part_word(name), word);
  });
  if (has_directory(images)) out.push_back(images);
  out.push_back(root);
  return out;
}

/// Where the images of an annotation file are; where none can be seen, the likeliest folder.
fs::path image_folder(const fs::path& root, const fs::path& file, const std::string& word) {
  const std::vector<fs::path> likely = likely_folders(root, file, word);
  const std::vector<std::string> names = sample_file_names(file);
  if (const auto fullest = fullest_folder(names, likely)) return *fullest;
  std::vector<fs::path> others = folders_in(root);
  others.push_back(file.parent_path());
  for (const fs::path& folder : folders_in(root)) {
    for (const fs::path& below : folders_in(folder)) others.push_back(below);
  }
  return fullest_folder(names, others).value_or(likely.front());
}

/// Without what has no boxes of all classes by its name: captions, key points, lists of images
/// without annotations, results.
std::vector<fs::path> without_other_kinds(const std::vector<fs::path>& files) {
  constexpr std::array kKinds = {"captions", "keypoints", "stuff",      "panoptic",
                                 "info",     "results",   "detections", "predictions"};
  std::vector<fs::path> out;
  std::ranges::copy_if(files, std::back_inserter(out), [&](const fs::path& file) {
    return std::ranges::none_of(words_of_name(file.stem().string()), [&](const std::string& word) {
      return std::ranges::find(kKinds, word) != kKinds.end();
    });
  });
  return out.empty() ? files : out;
}

/// JSON files of a folder that are COCO's, by their beginnings.
std::vector<fs::path> coco_files(const fs::path& folder) {
  std::vector<fs::path> files = files_with(folder, ".json");
  std::erase_if(files, [](const fs::path& file) {
    const std::string head = head_of(file);
    const auto has = [&](const char* key) { return head.find(key) != std::string::npos; };
    const bool coco =
        has("\"images\"") || has("\"annotations\"") || has("\"categories\"") || has("\"info\"");
    return !coco || has("\"shapes\"");
  });
  return files;
}

CocoDatasetOptions coco_options(const fs::path& root, const PartChoice& choice) {
  CocoDatasetOptions options{.ann_file = choice.path.string(),
                             .img_prefix = image_folder(root, choice.path, choice.word).string()};
  options.part = choice.part;
  return options;
}

}  // namespace

std::optional<DatasetOptions> find_given(const fs::path& root, Split split,
                                         const RecogniseOptions& options) {
  if (options.annotations.empty()) return std::nullopt;
  const bool own_val = !options.val_annotations.empty();
  const bool val = split != Split::Train;
  PartChoice choice{val && own_val ? options.val_annotations : options.annotations, "", {}};
  if (!own_val) {
    choice.part = shared_part(root, split, options);
  }
  CocoDatasetOptions coco = coco_options(root, choice);
  const fs::path& images = val && !options.val_images.empty() ? options.val_images : options.images;
  if (!images.empty()) coco.img_prefix = images.string();
  return coco;
}

std::optional<DatasetOptions> find_coco(const fs::path& root, Split split,
                                        const RecogniseOptions& options) {
  const fs::path folder = folder_named(root, "annotations");
  std::vector<fs::path> files = files_with(folder, ".json");
  if (files.empty() || is_labelme(files.front()) || is_middle(files.front())) return std::nullopt;
  files = without_other_kinds(files);
  const auto choice = choose_part(files, split, root, options);
  if (!choice) fail_part(folder, files, split, ".json file");
  return coco_options(root, *choice);
}

std::optional<DatasetOptions> find_coco_parts(const fs::path& root, Split split,
                                              const RecogniseOptions& options) {
  const auto folders =
      annotated_parts(root, [](const fs::path& folder) { return !coco_files(folder).empty(); });
  auto choice = choose_part(folders, split, root, options);
  if (!choice) return std::nullopt;
  const fs::path folder = choice->path;
  choice->path = coco_files(folder).front();
  return coco_options(folder, *choice);
}

std::optional<DatasetOptions> find_coco_beside(const fs::path& root, Split split,
                                               const RecogniseOptions& options) {
  const std::vector<fs::path> files = without_other_kinds(coco_files(root));
  if (files.empty()) return std::nullopt;
  const auto choice = choose_part(files, split, root, options);
  if (!choice) fail_part(root, files, split, ".json file");
  return coco_options(root, *choice);
}

}  // namespace kestrel
