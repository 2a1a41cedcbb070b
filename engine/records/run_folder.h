#pragma once

#include <filesystem>
#include <string>

#include <kestrel/tensor/file_descriptor.h>

namespace kestrel {

/// A folder that one process writes to: locked for as long as this lives or, where the process is
/// killed, for as long as that does. One that was made and stayed empty is removed.
class RunFolder {
 public:
  RunFolder() = default;
  ~RunFolder();
  RunFolder(RunFolder&&) noexcept = default;
  RunFolder& operator=(RunFolder&&) noexcept = default;
  /// The first of runs/<name>1, runs/<name>2, ... that could be made: two processes never get the
  /// same.
  static RunFolder make_next(const std::string& name);
  /// That folder, made where absent. Throws UsageError where it is a file or cannot be made, where
  /// another process writes to it, and, unless `any_content`, where it holds other things than a
  /// run: files of a run would come among them, or in their place.
  static RunFolder open(const std::filesystem::path& folder, bool any_content = false);

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool made_ = false;
  FileDescriptor lock_;
};

/// Whether a folder is one that a run wrote to.
bool holds_run(const std::filesystem::path& folder);

/// The folder of the form runs/<name>N with the highest number. Where `name` is empty: of all
/// folders in runs/ that a run can continue in, the one that was written to last. Empty where there
/// is none.
std::filesystem::path newest_run_folder(const std::string& name);

}  // namespace kestrel
