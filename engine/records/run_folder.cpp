#include <kestrel/engine/records/run_folder.h>

#include <charconv>
#include <cstdint>
#include <optional>

#include <kestrel/engine/checkpoints/checkpoint.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRuns = "runs";

/// N of "<name>N".
std::optional<int64_t> number_of(const std::string& folder, const std::string& name) {
  if (!folder.starts_with(name)) return std::nullopt;
  int64_t number = 0;
  const char* end = folder.data() + folder.size();
  const auto [stop, error] = std::from_chars(folder.data() + name.size(), end, number);
  return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

}  // namespace

fs::path next_run_folder(const std::string& name) {
  for (int64_t i = 1;; ++i) {
    fs::path folder = fs::path(kRuns) / (name + std::to_string(i));
    if (!fs::exists(folder)) return folder;
  }
}

fs::path newest_run_folder(const std::string& name) {
  if (!fs::exists(kRuns)) return {};
  fs::path newest;
  int64_t newest_number = -1;
  fs::file_time_type newest_time;
  for (const fs::directory_entry& entry : fs::directory_iterator(kRuns)) {
    if (!entry.is_directory()) continue;
    if (name.empty()) {
      if (!fs::exists(resume_file(entry.path()))) continue;
      if (newest.empty() || entry.last_write_time() > newest_time) {
        newest = entry.path();
        newest_time = entry.last_write_time();
      }
    } else if (const auto number = number_of(entry.path().filename().string(), name);
               number && *number > newest_number) {
      newest = entry.path();
      newest_number = *number;
    }
  }
  return newest;
}

}  // namespace kestrel
