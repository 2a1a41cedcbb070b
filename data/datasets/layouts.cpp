#include <kestrel/data/datasets/layouts.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <map>
#include <set>

#include <fmt/format.h>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/image_folder.h>
#include <kestrel/data/datasets/yolo_yaml.h>
#include <kestrel/kernels/error.h>

namespace kestrel {

namespace fs = std::filesystem;

bool has_directory(const fs::path& path) {
  std::error_code code;
  return fs::is_directory(path, code);
}

bool has_file(const fs::path& path) {
  std::error_code code;
  return fs::is_regular_file(path, code);
}

namespace {

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::vector<std::string> file_names(const std::vector<fs::path>& files) {
  std::vector<std::string> names;
  for (const fs::path& file : files) names.push_back(file.filename().string());
  return names;
}

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

/// The YAML of a data set in a folder: data.yaml, or whatever it is called.
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
    Complaints("[data] " + folder.string(), false)
        .note("there are the YAML files ", quoted_list(file_names(found)),
              "; taken: ", found.front().filename().string());
  }
  return found.front();
}

/// The file, or folder, of a part, and which of its pictures are meant.
struct PartChoice {
  fs::path path;
  std::string word;  // that names the part; may be empty
  PartOptions part;
};

void tell_share(const fs::path& root, const RecogniseOptions& options) {
  Complaints("[data] " + root.string(), false)
      .note(fmt::format("nothing says which pictures are for validation: {:.0f} % of them are, by "
                        "a hash of their names (--val-share)",
                        100 * options.val_share));
}

/// What is for a part: by its name, or a share of what is for training, or of the only one.
std::optional<PartChoice> choose_part(const std::vector<fs::path>& paths, Split split,
                                      const fs::path& root, const RecogniseOptions& options) {
  if (paths.empty()) return std::nullopt;
  const auto chosen = [&](const SplitFiles& found, const char* part) {
    tell_choice(found, split);
    return PartChoice{found.files.front(), found.word, {part, options.val_share}};
  };
  const SplitFiles train = files_for(paths, Split::Train), val = files_for(paths, Split::Val);
  const SplitFiles own = split == Split::Train ? train : files_for(paths, split);
  const bool shared = val.files.empty() && (!train.files.empty() || paths.size() == 1);
  if (!shared) {
    if (own.files.empty()) return std::nullopt;
    return chosen(own, "");
  }
  if (split == Split::Train) tell_share(root, options);
  const char* part = split == Split::Train ? "train" : "val";
  if (!train.files.empty()) return chosen(train, part);
  return PartChoice{paths.front(), "", {part, options.val_share}};
}

[[noreturn]] void fail_part(const fs::path& folder, const std::vector<fs::path>& files, Split split,
                            const char* what) {
  fail<DataError>("[data] ", folder.string(), ": no ", what, " is for the ", to_string(split),
                  " part; there are ", quoted_list(file_names(files)));
}

std::string head_of(const fs::path& file) {
  std::string head(1 << 16, '\0');
  std::ifstream stream(file, std::ios::binary);
  stream.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(stream.gcount()));
  return head;
}

bool is_labelme(const fs::path& file) {
  const std::string head = head_of(file);
  return head.find("\"shapes\"") != std::string::npos &&
         head.find("\"annotations\"") == std::string::npos;
}

bool is_middle(const fs::path& file) {
  const std::string head = head_of(file);
  const size_t begin = head.find_first_not_of(" \t\r\n");
  return begin != std::string::npos && head[begin] == '[' &&
         head.find("\"filename\"") != std::string::npos;
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

// ---- COCO

CocoDatasetOptions coco_options(const fs::path& root, const PartChoice& choice) {
  CocoDatasetOptions options{.ann_file = choice.path.string(),
                             .img_prefix = image_folder(root, choice.path, choice.word).string()};
  options.part = choice.part;
  return options;
}

/// --annotations and --images.
std::optional<DatasetOptions> find_given(const fs::path& root, Split split,
                                         const RecogniseOptions& options) {
  if (options.annotations.empty()) return std::nullopt;
  const bool own_val = !options.val_annotations.empty();
  const bool val = split != Split::Train;
  PartChoice choice{val && own_val ? options.val_annotations : options.annotations, "", {}};
  if (!own_val) {
    if (!val) tell_share(root, options);
    choice.part = {val ? "val" : "train", options.val_share};
  }
  CocoDatasetOptions coco = coco_options(root, choice);
  const fs::path& images = val && !options.val_images.empty() ? options.val_images : options.images;
  if (!images.empty()) coco.img_prefix = images.string();
  return coco;
}

/// annotations/*.json.
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

/// The folders of parts, train, valid and test, of which `is_right` says that they hold
/// annotations.
template <class F>
std::vector<fs::path> annotated_parts(const fs::path& root, F&& is_right) {
  std::vector<fs::path> folders;
  for (const fs::path& folder : folders_in(root)) {
    if (!part_word(folder.filename().string()).empty() && is_right(folder)) {
      folders.push_back(folder);
    }
  }
  return folders;
}

/// Roboflow's: train/_annotations.coco.json beside the pictures, valid/ and test/ likewise.
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

/// JSON files beside the pictures, or beside their folders.
std::optional<DatasetOptions> find_coco_beside(const fs::path& root, Split split,
                                               const RecogniseOptions& options) {
  const std::vector<fs::path> files = without_other_kinds(coco_files(root));
  if (files.empty()) return std::nullopt;
  const auto choice = choose_part(files, split, root, options);
  if (!choice) fail_part(root, files, split, ".json file");
  return coco_options(root, *choice);
}

// ---- VOC

/// Annotations, JPEGImages and ImageSets/Main.
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

/// Roboflow's: train/*.xml beside the pictures, valid/ and test/ likewise.
std::optional<DatasetOptions> find_voc_parts(const fs::path& root, Split split,
                                             const RecogniseOptions& options) {
  const auto choice = choose_part(annotated_parts(root, has_voc_file), split, root, options);
  if (!choice) return std::nullopt;
  return voc_folder(root, choice->path, choice->part);
}

/// Any folder of XML files, and pictures of their names in any folder.
std::optional<DatasetOptions> find_voc_folder(const fs::path& root, Split split,
                                              const RecogniseOptions& options) {
  std::vector<fs::path> places = {root};
  for (const fs::path& folder : folders_in(root)) places.push_back(folder);
  const auto annotations = std::ranges::find_if(places, has_voc_file);
  if (annotations == places.end()) return std::nullopt;
  if (split == Split::Train) tell_share(root, options);
  return voc_folder(root, *annotations,
                    {split == Split::Train ? "train" : "val", options.val_share});
}

// ---- YOLO

/// A YAML, or folders with pictures and label files.
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
      if (split == Split::Train) tell_share(path, options);
      yolo.split = "train";
      yolo.part = {split == Split::Train ? "train" : "val", options.val_share};
    }
  } catch (const DataError&) {  // which opening it tells of
    if (!file) return std::nullopt;
  }
  return yolo;
}

// ---- labelling tools

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

bool has_labelme_file(const fs::path& folder) {
  return std::ranges::any_of(files_with(folder, ".json"), is_labelme);
}

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
  if (split == Split::Train) tell_share(root, options);
  return records_options<LabelMeDatasetOptions>(
      *folder, labelme_pictures(*folder, root),
      {split == Split::Train ? "train" : "val", options.val_share});
}

/// annotations.xml of CVAT, and images/.
std::optional<DatasetOptions> find_cvat(const fs::path& root, Split split,
                                        const RecogniseOptions& options) {
  std::vector<fs::path> files = files_with(root, ".xml");
  std::erase_if(files, [](const fs::path& file) {
    return head_of(file).find("<annotations>") == std::string::npos;
  });
  const auto choice = choose_part(files, split, root, options);
  if (!choice) return std::nullopt;
  const fs::path images = folder_named(root, "images");
  return records_options<CvatDatasetOptions>(choice->path, has_directory(images) ? images : root,
                                             choice->part);
}

/// MMDetection's middle format: JSON lists, with the pictures in images/ or beside them.
std::optional<DatasetOptions> find_middle(const fs::path& root, Split split,
                                          const RecogniseOptions& options) {
  std::vector<fs::path> files = files_with(root, ".json");
  if (files.empty()) files = files_with(folder_named(root, "annotations"), ".json");
  std::erase_if(files, [](const fs::path& file) { return !is_middle(file); });
  const auto choice = choose_part(files, split, root, options);
  if (!choice) return std::nullopt;
  const fs::path images = folder_named(root, "images");
  return records_options<CustomDatasetOptions>(choice->path, has_directory(images) ? images : root,
                                               choice->part);
}

/// A table, and the pictures beside it or in a folder.
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
  const fs::path images = folder_named(root, "images");
  return records_options<CsvDatasetOptions>(choice->path, has_directory(images) ? images : root,
                                            choice->part);
}

}  // namespace

std::vector<fs::path> files_with(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> files;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const fs::path& path = entry.path();
    if (lower_case(path.extension().string()) == extension) files.push_back(path);
  }
  std::ranges::sort(files);
  return files;
}

/// A folder of this name, in any case; as it is given where there is none.
fs::path folder_named(const fs::path& root, const std::string& name) {
  if (has_directory(root / name)) return root / name;
  for (const fs::path& folder : folders_in(root)) {
    if (lower_case(folder.filename().string()) == lower_case(name)) return folder;
  }
  return root / name;
}

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
