#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace kestrel::test {

using Environment = std::vector<std::pair<std::string, std::string>>;

/// Another program, whose output goes to a file each.
class Child {
 public:
  /// Starts command[0]. `folder` is where it runs and where its output goes, as stdout.txt and
  /// stderr.txt.
  Child(const std::vector<std::string>& command, std::filesystem::path folder,
        const Environment& environment = {});
  /// Kills it if it still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void signal(int number) const;
  /// Waits for its end: the exit code, or minus the signal that ended it.
  int wait();
  std::string output() const;
  std::string errors() const;

 private:
  std::filesystem::path folder_;
  pid_t pid_ = -1;
};

/// Starts it and waits.
struct Finished {
  int code = 0;
  std::string output;
  std::string errors;
};
Finished run(const std::vector<std::string>& command, const std::filesystem::path& folder,
             const Environment& environment = {});

/// A folder in memory, where there is such a file system: syncing costs nothing there.
std::filesystem::path fresh_folder(const std::string& name);

std::string bytes_of(const std::filesystem::path& file);

}  // namespace kestrel::test
