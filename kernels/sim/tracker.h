#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "include/cuda_sim/control.h"

/// What is known of every byte that kernels may touch: who wrote and read it last, and whether
/// anyone has written it at all. From it come memcheck, initcheck and racecheck.
namespace cuda_sim {

/// Names a thread of a grid: a block has at most 1024.
constexpr uint64_t thread_id(uint64_t block, uint32_t in_block) {
  return block << 10 | in_block;
}
constexpr uint64_t block_of(uint64_t thread) {
  return thread >> 10;
}
constexpr uint32_t in_block_of(uint64_t thread) {
  return static_cast<uint32_t>(thread & 1023);
}

/// Who makes an access: a CUDA thread at a point of its block's and warp's history.
struct Actor {
  uint32_t launch = 0;  ///< Number of the launch, from 1.
  uint64_t thread = 0;  ///< block * threads per block + thread.
  uint64_t block = 0;
  uint32_t warp = 0;  ///< In the block.
  uint32_t lane = 0;
  uint32_t epoch = 0;  ///< Barriers that the block has passed.
  const uint32_t* knows =
      nullptr;         ///< By lane: the warp-clock of that lane that this one is after.
  uint32_t clock = 0;  ///< This lane's own.
};

enum class Access : uint8_t { Read, Write, Atomic };

/// The last accesses to one granule of memory.
struct Cell {
  uint64_t write_thread = 0;
  uintptr_t write_pc = 0;
  uint32_t write_launch = 0;  ///< 0: none.
  uint32_t write_epoch = 0;
  uint32_t write_clock = 0;
  bool write_atomic = false;
  enum class Readers : uint8_t { None, Warp, Block, Grid } readers = Readers::None;
  uint32_t read_launch = 0;
  uint32_t read_epoch = 0;
  uint32_t read_clock = 0;
  uint32_t read_lanes = 0;
  uint64_t read_thread = 0;
  uintptr_t read_pc = 0;
};

/// A race that an access completes.
struct Conflict {
  bool found = false;
  uint64_t other_thread = 0;
  uintptr_t other_pc = 0;
  bool other_wrote = false;
  uint32_t other_launch = 0;
};

/// Records the access and says with which earlier one of the same launch it races.
Conflict touch(Cell& cell, const Actor& actor, Access access, uintptr_t pc);

/// Cells and "written" bits for a range of memory, made where it is touched.
class Shadow {
 public:
  Shadow(uintptr_t begin, size_t bytes) : begin_(begin), bytes_(bytes) {}

  /// Calls f(cell) for every cell of an access; narrow accesses make the cells narrower.
  template <class F>
  void for_cells(uintptr_t address, size_t bytes, F f) {
    while (shift_ > 0 && ((address | bytes) & ((size_t{1} << shift_) - 1)) != 0) refine();
    for (uintptr_t at = address; at < address + bytes; at += size_t{1} << shift_) f(cell(at));
  }
  bool written(uintptr_t address, size_t bytes) const;
  void mark_written(uintptr_t address, size_t bytes);
  /// Forgets everything; memory is unwritten again.
  void reset();

 private:
  static constexpr size_t kChunk = 4096;
  Cell& cell(uintptr_t address);
  void refine();

  uintptr_t begin_;
  size_t bytes_;
  int shift_ = 2;  // granule of 4 bytes
  std::vector<std::unique_ptr<Cell[]>> cells_;
  std::vector<uint8_t> written_;
};

}  // namespace cuda_sim
