#include <kestrel/engine/diagnosis/machine.h>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

/// The number in a file of the container's limits; none where there is no file or no limit.
std::optional<int64_t> limit_in(const char* file) {
  std::ifstream in(file);
  int64_t value = 0;
  if (in >> value && value > 0) return value;
  return {};
}

/// Bytes of a line such as "MemAvailable:   123456 kB".
int64_t meminfo(const std::string& key) {
  std::ifstream in("/proc/meminfo");
  std::string name, unit;
  for (int64_t kilobytes = 0; in >> name >> kilobytes && std::getline(in, unit);) {
    if (name == key + ":") return kilobytes * 1024;
  }
  return 0;
}

/// The container's limit in processors: cgroup 2's "quota period", or cgroup 1's two files.
std::optional<int64_t> core_limit() {
  std::ifstream in("/sys/fs/cgroup/cpu.max");
  int64_t quota = 0, period = 0;
  if (in >> quota >> period && quota > 0 && period > 0) return (quota + period - 1) / period;
  const auto old_quota = limit_in("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  const auto old_period = limit_in("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (old_quota && old_period) return (*old_quota + *old_period - 1) / *old_period;
  return {};
}

fs::path nearest_existing(const fs::path& folder) {
  std::error_code error;
  fs::path path = fs::absolute(folder, error);
  while (!fs::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  return path;
}

}  // namespace

int machine_cores() {
  return static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int64_t cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : machine_cores();
  if (const auto limit = core_limit()) cores = std::min(cores, *limit);
  return static_cast<int>(std::max<int64_t>(1, cores));
}

MachineMemory machine_memory() {
  MachineMemory memory{meminfo("MemTotal"), meminfo("MemAvailable")};
  auto limit = limit_in("/sys/fs/cgroup/memory.max");
  auto used = limit_in("/sys/fs/cgroup/memory.current");
  if (!limit) {
    limit = limit_in("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    used = limit_in("/sys/fs/cgroup/memory/memory.usage_in_bytes");
  }
  if (limit && *limit < memory.total) {
    memory.total = *limit;
    memory.available = std::min(memory.available, std::max<int64_t>(0, *limit - used.value_or(0)));
  }
  return memory;
}

bool is_writable(const fs::path& folder) {
  const fs::path path = nearest_existing(folder);
  // Tried, because the answer of access() to root is always yes.
  std::string file = path / ".kestrel_XXXXXX";
  const int descriptor = mkstemp(file.data());
  if (descriptor < 0) return false;
  close(descriptor);
  unlink(file.c_str());
  return true;
}

int64_t free_disk_space(const fs::path& folder) {
  std::error_code error;
  const fs::space_info space = fs::space(nearest_existing(folder), error);
  return error ? 0 : static_cast<int64_t>(space.available);
}

}  // namespace kestrel
