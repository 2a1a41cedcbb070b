#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <kestrel/tensor/file_descriptor.h>

namespace kestrel {

/// A file that is complete or absent: written as <path>.part, synced, renamed over what was there,
/// and the folder synced. What was there stays until then. Everything here that cannot be done
/// throws ModelFileError "[what] writing path: reason" and removes the part.
class AtomicFile {
 public:
  AtomicFile(std::string_view what, std::filesystem::path path);
  /// Without commit(), nothing remains.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Syncs the file, and gives it its name.
  void commit();

 private:
  [[noreturn]] void fail_with(int error) const;

  std::string what_;
  std::filesystem::path path_;
  std::filesystem::path part_;
  FileDescriptor fd_;
  bool committed_ = false;
};

}  // namespace kestrel
