#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
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
  uint32_t era = 0;     ///< What memory remembers: a launch's accesses, of shared memory a block's.
                        ///< From 1.
  uint64_t thread = 0;  ///< thread_id().
  uint32_t warp = 0;    ///< In the block.
  uint32_t lane = 0;
  uint32_t epoch = 0;  ///< Barriers that the block has passed.
  const uint32_t* knows =
      nullptr;         ///< By lane: the warp-clock of that lane that this one is after.
  uint32_t clock = 0;  ///< This lane's own.
};

enum class Access : uint8_t { Read, Write, Atomic };

/// The last accesses to one granule of memory; a line of the cache.
struct alignas(64) Cell {
  uint64_t write_thread = 0;
  uintptr_t write_pc = 0;
  uint32_t write_era = 0;  ///< 0: none.
  uint32_t write_epoch = 0;
  uint32_t write_clock = 0;
  bool write_atomic = false;
  enum class Readers : uint8_t { None, Warp, Block, Grid } readers = Readers::None;
  uint32_t read_era = 0;
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
};

/// Records the access and says with which earlier one of the same era it races.
Conflict touch(Cell& cell, const Actor& actor, Access access, uintptr_t pc);

/// Cells and "written" bits for a range of memory, made where it is touched.
class Shadow {
 public:
  Shadow(uintptr_t begin, size_t bytes) : begin_(begin), bytes_(bytes) {}

  /// Calls f(cell) for every cell of an access. A cell stands for bytes that have always been
  /// accessed together, 16 at most: a narrower access splits it.
  template <class F>
  void for_cells(uintptr_t address, size_t bytes, F f) {
    const size_t end = address - begin_ + bytes;
    for (size_t at = address - begin_; at < end;) {
      Chunk& chunk = chunk_of(at);
      const size_t stop = std::min(end, (at / kChunk + 1) * kChunk);
      while (((at | stop) & ((size_t{1} << chunk.shift) - 1)) != 0) split(chunk);
      for (; at < stop; at += size_t{1} << chunk.shift) f(chunk.cells[at % kChunk >> chunk.shift]);
    }
  }
  bool written(uintptr_t address, size_t bytes) const {
    if (written_.empty()) return false;
    const uint8_t* flags = written_.data() + (address - begin_);
    if (bytes == 4) return load<uint32_t>(flags) == 0x01010101u;
    if (bytes == 8) return load<uint64_t>(flags) == 0x0101010101010101u;
    return std::memchr(flags, 0, bytes) == nullptr;
  }
  void mark_written(uintptr_t address, size_t bytes) {
    if (written_.empty()) written_.resize(bytes_);
    std::memset(written_.data() + (address - begin_), 1, bytes);
  }
  /// The first `bytes` are unwritten again.
  void mark_unwritten(size_t bytes);
  /// Forgets every access.
  void forget_accesses() { chunks_.clear(); }

 private:
  static constexpr size_t kChunk = 1024;
  static constexpr int kWidest = 4;  // cells of 16 bytes
  struct Chunk {
    int shift = kWidest;
    std::unique_ptr<Cell[]> cells;
  };
  template <class T>
  static T load(const uint8_t* from) {
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
  }
  Chunk& chunk_of(size_t at) {
    if (chunks_.empty()) chunks_.resize(bytes_ / kChunk + 1);
    Chunk& chunk = chunks_[at / kChunk];
    if (!chunk.cells) chunk.cells = std::make_unique<Cell[]>(kChunk >> chunk.shift);
    return chunk;
  }
  static void split(Chunk& chunk);

  uintptr_t begin_;
  size_t bytes_;
  std::vector<Chunk> chunks_;
  std::vector<uint8_t> written_;
};

}  // namespace cuda_sim
