#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <kestrel/data/datasets/open.h>

namespace kestrel {

/// How a data set lies in a folder: COCO, VOC, YOLO, LabelMe, CVAT, CSV, each in the forms in which
/// their tools leave it. Nothing where it is none of them. Of a set without lists, or without a
/// list for validation, the part is by a hash (PartOptions), which is told once. Throws DataError
/// that says what is missing where it is almost one.
std::optional<DatasetOptions> find_layout(const std::filesystem::path& path, Split split,
                                          const RecogniseOptions& options);

/// What lies in a folder that is no data set, for a message: pictures and where they are, and what
/// would have been annotations.
std::string describe_folder(const std::filesystem::path& folder);

}  // namespace kestrel
