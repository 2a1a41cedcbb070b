#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <kestrel/data/datasets/coco.h>
#include <kestrel/data/datasets/csv.h>
#include <kestrel/data/datasets/custom.h>
#include <kestrel/data/datasets/cvat.h>
#include <kestrel/data/datasets/labelme.h>
#include <kestrel/data/datasets/shapes.h>
#include <kestrel/data/datasets/split_files.h>
#include <kestrel/data/datasets/voc.h>
#include <kestrel/data/datasets/yolo.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// The options of the data set that was found; nothing is read yet.
using DatasetOptions = std::variant<CocoDatasetOptions, VocDatasetOptions, YoloDatasetOptions,
                                    ShapesDatasetOptions, LabelMeDatasetOptions, CvatDatasetOptions,
                                    CsvDatasetOptions, CustomDatasetOptions>;

/// What is known of a directory beforehand.
struct RecogniseOptions {
  double val_share = 0.2;  ///< Of a set without a list for validation.
  /// A COCO file and the folder of its pictures, whatever they are called; those for validation may
  /// be absent.
  std::filesystem::path annotations, images, val_annotations, val_images;
};

/// Decides what a directory is (layouts.h); of a set without lists, a share is for validation. A
/// file is taken for the YAML of a YOLO data set. Of several files for a part the choice is told.
/// Throws DataError saying what is there and what was looked for where it is no data set.
DatasetOptions recognise(const std::filesystem::path& path, Split split,
                         const RecogniseOptions& options = {});

/// The options as a config's data.train, with their type.
Config to_config(const DatasetOptions& options);

/// "shapes"; a directory or a YOLO data set's YAML; or a name such as "coco", looked for as
/// data/<name>, then $KESTREL_DATA/<name>. Throws DataError with the tree that is expected where
/// nothing is found.
std::filesystem::path find_dataset(const std::string& name_or_path);

/// Whether the name is that of the generated shapes, and not of a directory.
bool is_generated_set(const std::string& name_or_path);

struct OpenDatasetOptions {
  std::string name_or_path = "shapes";
  Split split = Split::Train;
  std::vector<std::string> classes{};  ///< Names to keep, by label; empty: all.
  std::optional<bool> test_mode{};     ///< Keep every image; by default all parts but Train do.
  bool with_mask = false;              ///< Keep segmentations in memory.
  bool strict = false;                 ///< What is wrong stops instead of being dropped.
  RecogniseOptions recognise{};
  uint64_t seed = 0;       ///< Of generated images.
  int64_t num_images = 0;  ///< Of generated images; 0: the default of the part.
};

std::unique_ptr<Dataset> open_dataset(const OpenDatasetOptions& options);
std::unique_ptr<Dataset> make_dataset(const DatasetOptions& options);

}  // namespace kestrel
