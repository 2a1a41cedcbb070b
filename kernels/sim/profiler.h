#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "include/cuda_sim/control.h"

namespace cuda_sim {

/// Groups the accesses of a warp's lanes into requests (the same instruction, the same time round)
/// and counts what the hardware would move for them.
class Profiler {
 public:
  enum class Space { Global, Shared };

  void begin(Profile& profile);
  void end();
  void record(uint32_t warp, uint32_t lane, uintptr_t pc, uintptr_t address, size_t bytes,
              bool write, Space space);
  /// The lane passes the instruction without an access, as cp.async that fills with zeros.
  void skip(uint32_t warp, uint32_t lane, uintptr_t pc, bool write);
  /// All lanes have come to the same point: open requests are complete.
  void flush();

  bool on = false;

 private:
  struct Touch {
    uintptr_t address;
    uint8_t bytes;
    uint8_t lane;
  };
  struct Request {
    bool write = false;
    Space space = Space::Global;
    std::vector<Touch> touches;
  };
  struct Site {
    uint32_t times[32] = {};
  };

  static uint64_t place(uint32_t warp, uintptr_t pc, bool write);
  void count(const Request& request);
  void count_shared(const Request& request);

  Profile* profile_ = nullptr;
  // By (warp, pc): how often each lane was there; by (warp, pc, time round): the request.
  std::unordered_map<uint64_t, Site> sites_;
  std::unordered_map<uint64_t, Request> requests_;
  std::unordered_set<uintptr_t> loaded_sectors_, stored_sectors_;
};

Profiler& profiler();

}  // namespace cuda_sim
