#include <kestrel/engine/records/run_folder.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>

#include <kestrel/engine/checkpoints/checkpoint.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRuns = "runs";
constexpr const char* kRunLog = "train.log";

[[noreturn]] void refuse_to_make(const fs::path& folder, int error) {
  fail<UsageError>("--out ", folder.string(), ": cannot be made: ", std::strerror(error),
                   "; choose another --out, or start in another folder");
}

/// Whether it was not there before.
bool make_folders(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
    fail<UsageError>("--out ", folder.string(), ": is a file, not a folder");
  }
  const bool made = fs::create_directories(folder, error);
  if (error) refuse_to_make(folder, error.value());
  return made;
}

/// N of "<name>N".
std::optional<int64_t> number_of(const std::string& folder, const std::string& name) {
  if (!folder.starts_with(name)) return std::nullopt;
  int64_t number = 0;
  const char* end = folder.data() + folder.size();
  const auto [stop, error] = std::from_chars(folder.data() + name.size(), end, number);
  return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

}  // namespace

bool holds_run(const fs::path& folder) {
  // The first file of a run, and how its lines begin: "2026-01-31 12:00:00 ".
  std::ifstream log(folder / kRunLog);
  std::string stamp(20, '\0');
  log.read(stamp.data(), static_cast<std::streamsize>(stamp.size()));
  const bool stamped =
      log.gcount() == 0 || (stamp[4] == '-' && stamp[13] == ':' && stamp[19] == ' ');
  return fs::exists(folder / kRunLog) && stamped;
}

RunFolder::~RunFolder() {
  if (made_ && lock_.get() >= 0) ::rmdir(path_.c_str());  // fails where there is something in it
}

RunFolder RunFolder::make_next(const std::string& name) {
  make_folders(kRuns);
  for (int64_t i = 1;; ++i) {
    const fs::path folder = fs::path(kRuns) / (name + std::to_string(i));
    if (::mkdir(folder.c_str(), 0777) == 0) {
      RunFolder result = open(folder);
      result.made_ = true;
      return result;
    }
    if (errno != EEXIST) refuse_to_make(folder, errno);
  }
}

RunFolder RunFolder::open(const fs::path& folder, bool any_content) {
  RunFolder result;
  result.made_ = make_folders(folder);
  result.path_ = folder;
  result.lock_ = FileDescriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (result.lock_.get() < 0) {
    fail<UsageError>("--out ", folder.string(), ": cannot be opened: ", std::strerror(errno));
  }
  // A file system that has no such locks goes without.
  if (::flock(result.lock_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    fail<UsageError>("another process is writing to ", folder.string(),
                     ": wait until it is done, or choose another --out");
  }
  if (any_content || holds_run(folder)) return result;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.')) continue;
    fail<UsageError>("--out ", folder.string(), ": holds other things than a run, such as ", name,
                     "; choose a folder of its own, which need not exist");
  }
  return result;
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
