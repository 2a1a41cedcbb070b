#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kestrel {

/// A whole file. Throws DataError "[what] path: reason" where it cannot be read.
std::vector<std::byte> read_file(std::string_view what, const std::filesystem::path& path);

/// A text file's lines without line ends and surrounding blanks, empty ones left out.
std::vector<std::string> read_lines(std::string_view what, const std::filesystem::path& path);

/// Writes beside the target and renames, so that nobody sees half a file; makes the folder.
void write_file(std::string_view what, const std::filesystem::path& path,
                std::span<const std::byte> bytes);

}  // namespace kestrel
