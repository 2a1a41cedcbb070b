#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "machine.h"
#include "profiler.h"

// What the simulator says: mistakes with source lines, and counters.

namespace cuda_sim {
namespace {

constexpr int kMistakesFound = 70;  // exit code

struct Findings {
  std::vector<Report> reports;
  std::map<std::string, size_t> known;  // text without numbers of threads: index of the report
  std::map<const void*, std::unique_ptr<Profile>> profiles;
};

void print_at_exit();

Findings& findings() {
  static auto* findings = [] {
    std::atexit(print_at_exit);
    return new Findings;
  }();
  return *findings;
}

void print_at_exit() {
  if (const char* path = std::getenv("CUDA_SIM_PROFILE")) {
    std::ofstream out(path, std::ios::app);
    for (const Profile& p : profiles()) {
      out << p.kernel << '\t' << p.launches << '\t' << p.blocks << '\t' << p.threads << '\t'
          << p.barriers << '\t' << p.warp_operations << '\t' << p.atomics << '\t' << p.load_requests
          << '\t' << p.load_sectors << '\t' << p.load_sectors_least << '\t' << p.store_requests
          << '\t' << p.store_sectors << '\t' << p.store_sectors_least << '\t' << p.load_bytes
          << '\t' << p.store_bytes << '\t' << p.shared_requests << '\t' << p.shared_conflicts
          << '\t' << p.shared_bytes << '\t' << p.races << '\t' << p.memory_errors << '\t'
          << p.uninitialised_reads << '\t' << p.synchronisation_errors << '\t' << p.grid_blocks
          << '\n';
    }
  }
  const std::vector<Report> left = take_reports();
  if (left.empty()) return;
  for (const Report& report : left) {
    std::fprintf(stderr, "cuda_sim: %s: %s: %s", name_of(report.check), report.kernel.c_str(),
                 report.text.c_str());
    if (report.count > 1) {
      std::fprintf(stderr, " (%llu times)", static_cast<unsigned long long>(report.count));
    }
    std::fputc('\n', stderr);
  }
  std::fflush(nullptr);
  _exit(kMistakesFound);
}

/// Digits that differ from thread to thread are not what makes a mistake another one.
std::string shape_of(const std::string& text) {
  std::string shape;
  bool after_colon = false;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit || after_colon) shape += c;
    if (!digit) after_colon = c == ':';
  }
  return shape;
}

std::string run_addr2line(const std::string& module, uintptr_t offset) {
  std::ostringstream command;
  command << "addr2line -e '" << module << "' -C -f -i 0x" << std::hex << offset << " 2>/dev/null";
  std::string output;
  FILE* pipe = popen(command.str().c_str(), "r");
  if (!pipe) return output;
  std::array<char, 256> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe)) output += buffer.data();
  pclose(pipe);
  return output;
}

std::string base_name(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

/// "void kestrel::gpu::(anonymous namespace)::add<float>(long, float*)" to "add<float>".
std::string short_name(std::string name) {
  for (const std::string space : {"(anonymous namespace)::", "kestrel::gpu::", "kestrel::"}) {
    for (size_t at; (at = name.find(space)) != std::string::npos;) name.erase(at, space.size());
  }
  int depth = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (name[i] == '(' && depth == 0) {
      name.resize(i);
      break;
    }
  }
  depth = 0;
  for (size_t i = name.size(); i-- > 0;) {
    if (name[i] == '>') ++depth;
    if (name[i] == '<') --depth;
    if (name[i] == ' ' && depth == 0) return name.substr(i + 1);
  }
  return name;
}

bool locate(uintptr_t pc, std::string* module, uintptr_t* offset) {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(pc), &info) == 0) return false;
  *module = info.dli_fname;
  if (module->find('/') == std::string::npos) *module = "/proc/self/exe";
  // Position-independent programs and libraries are addressed from where they were loaded.
  *offset = pc - reinterpret_cast<uintptr_t>(info.dli_fbase);
  return true;
}

}  // namespace

const char* name_of(Check check) {
  switch (check) {
    case Check::Memory:
      return "memcheck";
    case Check::Initialisation:
      return "initcheck";
    case Check::Race:
      return "racecheck";
    case Check::Synchronisation:
      return "synccheck";
    case Check::Launch:
      return "launch check";
    case Check::Stream:
      return "stream check";
  }
  return "?";
}

void add_report(Check check, const std::string& kernel, const std::string& text) {
  const std::lock_guard guard(big_lock());
  Findings& all = findings();
  const std::string key = std::string(name_of(check)) + kernel + shape_of(text);
  const auto [found, fresh] = all.known.emplace(key, all.reports.size());
  if (fresh) {
    all.reports.push_back({check, kernel, text, 1});
  } else {
    ++all.reports[found->second].count;
  }
}

std::vector<Report> take_reports() {
  const std::lock_guard guard(big_lock());
  findings().known.clear();
  return std::exchange(findings().reports, {});
}

uint64_t pending_reports() {
  const std::lock_guard guard(big_lock());
  return findings().reports.size();
}

Profile& profile_of(const void* kernel) {
  auto& profile = findings().profiles[kernel];
  if (!profile) profile = std::make_unique<Profile>();
  return *profile;
}

std::vector<Profile> profiles() {
  const std::lock_guard guard(big_lock());
  std::vector<Profile> result;
  for (const auto& [kernel, profile] : findings().profiles) {
    if (profile->launches == 0) continue;
    result.push_back(*profile);
    result.back().kernel = kernel_name(kernel);
  }
  std::sort(result.begin(), result.end(),
            [](const Profile& a, const Profile& b) { return a.kernel < b.kernel; });
  return result;
}

void clear_profiles() {
  const std::lock_guard guard(big_lock());
  for (auto& [kernel, profile] : findings().profiles) *profile = {};
}

void set_profiling(bool on) {
  const std::lock_guard guard(big_lock());
  profiler().on = on;
}

std::string source_line(uintptr_t pc) {
  static auto* known = new std::map<uintptr_t, std::string>;
  std::string& line = (*known)[pc];
  if (!line.empty()) return line;
  std::string module;
  uintptr_t offset = 0;
  if (!locate(pc - 1, &module, &offset)) return line = "?";
  // Pairs of lines, function and place, from the innermost inlined function outwards.
  std::istringstream output(run_addr2line(module, offset));
  std::string function;
  std::string place;
  std::string last;
  while (std::getline(output, function) && std::getline(output, place)) {
    place = base_name(place.substr(0, place.find(" (discriminator")));
    if (place == last || place.rfind("??", 0) == 0) continue;
    last = place;
    if (place.rfind("cuda_runtime.h:", 0) == 0) continue;
    line += (line.empty() ? "" : " in ") + place;
  }
  return line.empty() ? line = "?" : line;
}

std::string to_string(const Location& where) {
  return base_name(where.file_name()) + ":" + std::to_string(where.line());
}

std::string kernel_name(const void* kernel) {
  static auto* known = new std::map<const void*, std::string>;
  std::string& name = (*known)[kernel];
  if (!name.empty()) return name;
  std::string module;
  uintptr_t offset = 0;
  if (!locate(reinterpret_cast<uintptr_t>(kernel), &module, &offset)) return name = "?";
  std::istringstream output(run_addr2line(module, offset));
  std::getline(output, name);
  return name = short_name(name);
}

void set_schedule(const Schedule& schedule) {
  const std::lock_guard guard(big_lock());
  Machine::instance().schedule = schedule;
}

Schedule schedule() {
  return Machine::instance().schedule;
}

std::string to_string(const Schedule& schedule) {
  std::string text = schedule.pace == Pace::LockStep ? "lock-step" : "run-ahead";
  switch (schedule.order) {
    case Order::Ascending:
      return text + ":ascending";
    case Order::Descending:
      return text + ":descending";
    case Order::Random:
      break;
  }
  return text + ":random:" + std::to_string(schedule.seed);
}

Schedule parse_schedule(const std::string& text) {
  Schedule result;
  std::istringstream stream(text);
  std::string part;
  while (std::getline(stream, part, ':')) {
    if (part == "lock-step") {
      result.pace = Pace::LockStep;
    } else if (part == "run-ahead") {
      result.pace = Pace::RunAhead;
    } else if (part == "ascending") {
      result.order = Order::Ascending;
    } else if (part == "descending") {
      result.order = Order::Descending;
    } else if (part == "random") {
      result.order = Order::Random;
    } else {
      result.seed = std::strtoull(part.c_str(), nullptr, 10);
    }
  }
  return result;
}

Schedule schedule_from_environment() {
  const char* variable = std::getenv("CUDA_SIM_SCHEDULE");
  return parse_schedule(variable ? variable : "");
}

uint64_t sampled_blocks_from_environment() {
  const char* variable = std::getenv("CUDA_SIM_SAMPLE_BLOCKS");
  return variable ? std::strtoull(variable, nullptr, 10) : 0;
}

void sample_blocks(uint64_t count) {
  const std::lock_guard guard(big_lock());
  Machine::instance().sampled_blocks = count;
}

}  // namespace cuda_sim
