#include <kestrel/tensor/host_memory.h>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace kestrel {
namespace {

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

/// The number that a file consists of; none where there is no such file or it says "max".
std::optional<size_t> number_in(const std::string& file) {
  std::ifstream in(file);
  size_t value = 0;
  return in >> value ? std::optional(value) : std::nullopt;
}

/// The sum of those entries of a file of lines "key number ...".
std::optional<size_t> sum_of(const std::string& file,
                             std::initializer_list<std::string_view> keys) {
  std::ifstream in(file);
  if (!in) return std::nullopt;
  size_t sum = 0;
  std::string key;
  for (size_t value = 0; in >> key >> value; in.ignore(256, '\n')) {
    if (std::ranges::find(keys, key) != keys.end()) sum += value;
  }
  return sum;
}

/// By version 2 or 1 of the files of control groups. Cached files are given back when needed.
size_t left_to_control_group() {
  struct Files {
    const char* limit;
    const char* usage;
    const char* stat;
    std::initializer_list<std::string_view> cached;
  };
  for (const Files& files :
       {Files{"memory.max", "memory.current", "memory.stat", {"inactive_file", "active_file"}},
        Files{"memory/memory.limit_in_bytes",
              "memory/memory.usage_in_bytes",
              "memory/memory.stat",
              {"total_inactive_file", "total_active_file"}}}) {
    const std::string root = "/sys/fs/cgroup/";
    const auto limit = number_in(root + files.limit);
    const auto usage = number_in(root + files.usage);
    if (!limit || !usage) continue;
    const size_t used =
        *usage - std::min(*usage, sum_of(root + files.stat, files.cached).value_or(0));
    return *limit - std::min(*limit, used);
  }
  return kNoLimit;
}

size_t left_of_address_space() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kNoLimit;
  const size_t pages = number_in("/proc/self/statm").value_or(0);
  const size_t used = pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return limit.rlim_cur - std::min<size_t>(limit.rlim_cur, used);
}

}  // namespace

size_t available_host_memory() {
  const auto kilobytes = sum_of("/proc/meminfo", {"MemAvailable:", "SwapFree:"});
  const size_t of_system = kilobytes ? *kilobytes << 10 : kNoLimit;
  return std::min({of_system, left_to_control_group(), left_of_address_space()});
}

}  // namespace kestrel
