#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kestrel {

/// A whole file. Throws DataError "[what] path: reason" where it cannot be read.
std::vector<std::byte> read_file(std::string_view what, const std::filesystem::path& path);

/// A whole file with `padding` zero bytes behind it, for readers that look ahead.
struct PaddedFile {
  std::unique_ptr<std::byte[]> data;
  size_t size = 0;  ///< Without the padding.
  std::span<const std::byte> bytes() const { return {data.get(), size}; }
};
PaddedFile read_padded_file(std::string_view what, const std::filesystem::path& path,
                            size_t padding);

/// At most the first `count` bytes of a file.
std::vector<std::byte> read_file_start(std::string_view what, const std::filesystem::path& path,
                                       size_t count);

/// A text file's lines without line ends and surrounding blanks, empty ones left out. UTF-16,
/// UTF-32 and byte order marks are seen to; bytes that are not UTF-8 are left as they are.
std::vector<std::string> read_lines(std::string_view what, const std::filesystem::path& path);

/// Writes beside the target and renames, so that nobody sees half a file; makes the folder.
void write_file(std::string_view what, const std::filesystem::path& path,
                std::span<const std::byte> bytes);

}  // namespace kestrel
