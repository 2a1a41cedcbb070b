#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kestrel {

/// folder / name, as paths are joined.
std::string file_in(const std::string& folder, std::string_view name);

/// How the names of an annotation file become files: as they are, with the slashes of Windows
/// turned, or without their folders.
enum class NameForm { AsWritten, Slashes, LastPart };
std::string in_form(std::string_view name, NameForm form);

/// Where images are.
struct ImagePlace {
  std::filesystem::path folder;
  NameForm form = NameForm::AsWritten;
};

/// How many of the names are files in the folder.
size_t count_there(std::span<const std::string> names, const std::filesystem::path& folder,
                   NameForm form = NameForm::AsWritten);

/// The folders in a folder, sorted.
std::vector<std::filesystem::path> folders_in(const std::filesystem::path& folder);

/// The one of the folders that holds most of the names, the first of equals; nothing where none
/// holds any.
std::optional<std::filesystem::path> fullest_folder(
    std::span<const std::string> names, const std::vector<std::filesystem::path>& folders);

/// Where half of these names or more are files, in the folders between the one that was said to
/// hold them and the file that names them. Nothing where the folder is right or none is found.
std::optional<ImagePlace> find_images_nearby(std::span<const std::string> names,
                                             const std::filesystem::path& folder,
                                             const std::filesystem::path& named_by);

/// Up to twenty values of "file_name" near the beginning, or else the end, of a COCO annotation
/// file, read without parsing it.
std::vector<std::string> sample_file_names(const std::filesystem::path& annotations);

}  // namespace kestrel
