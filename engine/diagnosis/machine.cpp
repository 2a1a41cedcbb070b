#include <kestrel/engine/diagnosis/machine.h>

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
