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

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace kestrel
