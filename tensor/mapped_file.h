#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace kestrel {

/// A whole file, mapped for reading. The mapping ends with the last owner of the object; what is
/// read after the file was cut short by somebody else ends the process (SIGBUS), as with any
/// mapping: replace files, do not overwrite them.
class MappedFile {
 public:
  /// Throws ModelFileError "[what] path: reason".
  MappedFile(std::string_view what, const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  /// Writing to them changes this process's copy, never the file.
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

/// Takes whole pages of a MappedFile's bytes out of memory, until they are read again. Does nothing
/// for other memory and where one of the pages was written to.
void forget_mapped_pages(const void* memory, size_t bytes);

}  // namespace kestrel
