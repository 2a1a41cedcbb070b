#include "profiler.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

namespace cuda_sim {
namespace {

constexpr uintptr_t kSector = 32;
constexpr uintptr_t kBanks = 32;
constexpr uintptr_t kBankBytes = 4;

uint64_t mix(uint64_t a, uint64_t b) {
  a ^= b + 0x9E3779B97F4A7C15u + (a << 6) + (a >> 2);
  a *= 0xBF58476D1CE4E5B9u;
  return a ^ (a >> 31);
}

}  // namespace

Profiler& profiler() {
  static auto* profiler = [] {
    auto* made = new Profiler;
    made->on = std::getenv("CUDA_SIM_PROFILE") != nullptr;
    return made;
  }();
  return *profiler;
}

void Profiler::begin(Profile& profile) {
  profile_ = &profile;
}

void Profiler::end() {
  if (!on) return;
  flush();
  profile_->load_sectors_least += loaded_sectors_.size();
  profile_->store_sectors_least += stored_sectors_.size();
  loaded_sectors_.clear();
  stored_sectors_.clear();
}

uint64_t Profiler::place(uint32_t warp, uintptr_t pc, bool write) {
  return mix(pc, warp * 2 + (write ? 1 : 0));
}

void Profiler::record(uint32_t warp, uint32_t lane, uintptr_t pc, uintptr_t address, size_t bytes,
                      bool write, Space space) {
  const uint64_t at = place(warp, pc, write);
  const uint32_t time = sites_[at].times[lane]++;
  Request& request = requests_[mix(at, time)];
  request.write = write;
  request.space = space;
  request.touches.push_back({address, static_cast<uint8_t>(bytes), static_cast<uint8_t>(lane)});
}

void Profiler::skip(uint32_t warp, uint32_t lane, uintptr_t pc, bool write) {
  ++sites_[place(warp, pc, write)].times[lane];
}

void Profiler::flush() {
  if (!on) return;
  for (const auto& [key, request] : requests_) count(request);
  requests_.clear();
  sites_.clear();
}

void Profiler::count(const Request& request) {
  uint64_t bytes = 0;
  for (const Touch& touch : request.touches) bytes += touch.bytes;
  if (request.space == Space::Global) {
    std::set<uintptr_t> sectors;
    for (const Touch& touch : request.touches) {
      for (uintptr_t at = touch.address / kSector;
           at <= (touch.address + touch.bytes - 1) / kSector; ++at) {
        sectors.insert(at);
      }
    }
    auto& least = request.write ? stored_sectors_ : loaded_sectors_;
    least.insert(sectors.begin(), sectors.end());
    (request.write ? profile_->store_requests : profile_->load_requests) += 1;
    (request.write ? profile_->store_sectors : profile_->load_sectors) += sectors.size();
    (request.write ? profile_->store_bytes : profile_->load_bytes) += bytes;
    return;
  }
  count_shared(request);
  profile_->shared_requests += 1;
  profile_->shared_bytes += bytes;
}

/// 8-byte accesses are served by half warps, 16-byte ones by quarter warps: the lanes that are
/// neighbours, in whatever order the schedule ran them. Lanes that touch the same word share it.
void Profiler::count_shared(const Request& request) {
  const size_t width = request.touches.front().bytes;
  const size_t group = width >= 16 ? 8 : width == 8 ? 16 : 32;
  for (size_t begin = 0; begin < 32; begin += group) {
    std::map<uintptr_t, std::set<uintptr_t>> words;
    for (const Touch& touch : request.touches) {
      if (touch.lane < begin || touch.lane >= begin + group) continue;
      for (uintptr_t word = touch.address / kBankBytes;
           word <= (touch.address + touch.bytes - 1) / kBankBytes; ++word) {
        words[word % kBanks].insert(word);
      }
    }
    size_t deepest = 1;
    for (const auto& [bank, distinct] : words) deepest = std::max(deepest, distinct.size());
    profile_->shared_conflicts += deepest - 1;
  }
}

}  // namespace cuda_sim
