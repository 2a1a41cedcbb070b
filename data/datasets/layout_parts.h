#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <kestrel/data/datasets/open.h>

// What the files layout_*.cpp share: how parts are told apart, and what files are by their
// beginnings.
namespace kestrel {

/// Whether there is one; no error where that cannot be known.
bool has_directory(const std::filesystem::path& path);
bool has_file(const std::filesystem::path& path);

/// A folder of this name, in any case; as it is given where there is none.
std::filesystem::path folder_named(const std::filesystem::path& root, const std::string& name);
/// Files of an extension, in any case, in a folder; sorted.
std::vector<std::filesystem::path> files_with(const std::filesystem::path& folder,
                                              const std::string& extension);
std::string lower_case(std::string text);

/// The file, or folder, of a part, and which of its pictures are meant.
struct PartChoice {
  std::filesystem::path path;
  std::string word;  ///< That names the part; may be empty.
  PartOptions part;
};

/// What is for a part: by its name, or a share of what is for training, or of the only one.
std::optional<PartChoice> choose_part(const std::vector<std::filesystem::path>& paths, Split split,
                                      const std::filesystem::path& root,
                                      const RecogniseOptions& options);
/// Says that a share of the pictures is for validation; in training, so that it is said once.
/// Returns which part that is.
PartOptions shared_part(const std::filesystem::path& root, Split split,
                        const RecogniseOptions& options);
/// DataError: of these files none is for the part.
[[noreturn]] void fail_part(const std::filesystem::path& folder,
                            const std::vector<std::filesystem::path>& files, Split split,
                            const char* what);

/// The folders of parts, train, valid and test, of which `is_right` says that they hold
/// annotations.
std::vector<std::filesystem::path> annotated_parts(
    const std::filesystem::path& root,
    const std::function<bool(const std::filesystem::path&)>& is_right);

/// The first 64 KB of a file.
std::string head_of(const std::filesystem::path& file);
bool is_labelme(const std::filesystem::path& file);  ///< LabelMe's JSON.
bool is_middle(const std::filesystem::path& file);   ///< MMDetection's middle format.

/// A layout: a data set's options, or nothing where it is not that one.
using FindLayout = std::optional<DatasetOptions>(const std::filesystem::path& root, Split split,
                                                 const RecogniseOptions& options);

FindLayout find_given;        ///< --annotations and --images.
FindLayout find_coco;         ///< annotations/*.json.
FindLayout find_coco_parts;   ///< Roboflow's: train/_annotations.coco.json beside the pictures.
FindLayout find_coco_beside;  ///< JSON files beside the pictures, or beside their folders.
FindLayout find_voc;          ///< Annotations, JPEGImages and ImageSets/Main.
FindLayout find_voc_parts;    ///< Roboflow's: train/*.xml beside the pictures.
FindLayout find_voc_folder;   ///< Any folder of XML files, pictures of their names in any other.
FindLayout find_yolo;         ///< A YAML, or folders with pictures and label files.
FindLayout find_labelme;
FindLayout find_cvat;    ///< annotations.xml of CVAT, and images/.
FindLayout find_middle;  ///< JSON lists, with the pictures in images/ or beside them.
FindLayout find_csv;     ///< A table, and the pictures beside it or in a folder.

/// The YAML of a YOLO data set in a folder: data.yaml, or whatever it is called.
std::optional<std::filesystem::path> find_yaml(const std::filesystem::path& folder);

}  // namespace kestrel
