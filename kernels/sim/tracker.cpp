#include "tracker.h"

#include <optional>

namespace cuda_sim {
namespace {

/// Whether the actor comes after what `thread` did at (epoch, clock) in the same era.
bool is_after(const Actor& actor, uint64_t thread, uint32_t epoch, uint32_t clock) {
  if (thread == actor.thread) return true;
  if (block_of(thread) != block_of(actor.thread)) return false;
  if (epoch < actor.epoch) return true;
  const uint32_t in_block = in_block_of(thread);
  return in_block / 32 == actor.warp && actor.knows[in_block % 32] >= clock;
}

/// A thread that read the cell and that the actor does not come after, or none.
std::optional<uint64_t> unordered_reader(const Cell& cell, const Actor& actor) {
  switch (cell.readers) {
    case Cell::Readers::None:
      return std::nullopt;
    case Cell::Readers::Grid:
      return cell.read_thread;
    case Cell::Readers::Block:
      if (block_of(cell.read_thread) == block_of(actor.thread) && cell.read_epoch < actor.epoch) {
        return std::nullopt;
      }
      return cell.read_thread;
    case Cell::Readers::Warp:
      break;
  }
  const uint64_t first = cell.read_thread / 32 * 32;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    if ((cell.read_lanes >> lane & 1u) != 0 &&
        !is_after(actor, first + lane, cell.read_epoch, cell.read_clock)) {
      return first + lane;
    }
  }
  return std::nullopt;
}

void add_reader(Cell& cell, const Actor& actor, uintptr_t pc) {
  const bool same_era = cell.read_era == actor.era;
  // The commonest case, and nothing new: another reader among many.
  if (same_era && cell.readers == Cell::Readers::Grid) return;
  auto readers = Cell::Readers::Warp;
  uint32_t lanes = 0;
  if (same_era && cell.readers != Cell::Readers::None) {
    if (block_of(cell.read_thread) != block_of(actor.thread)) {
      readers = Cell::Readers::Grid;
    } else if (cell.read_epoch == actor.epoch) {
      const uint32_t warp = in_block_of(cell.read_thread) / 32;
      if (cell.readers == Cell::Readers::Block || warp != actor.warp) {
        readers = Cell::Readers::Block;
      } else {
        lanes = cell.read_lanes;
      }
    }
  }
  // Lanes that this one already comes after need not be remembered.
  if (lanes != 0 && cell.read_clock != actor.clock) {
    uint32_t kept = 0;
    for (uint32_t lane = 0; lane < 32; ++lane) {
      if ((lanes >> lane & 1u) != 0 && actor.knows[lane] < cell.read_clock) kept |= 1u << lane;
    }
    lanes = kept;
  }
  cell.readers = readers;
  cell.read_lanes = lanes | 1u << actor.lane;
  cell.read_era = actor.era;
  cell.read_epoch = actor.epoch;
  cell.read_clock = actor.clock;
  cell.read_thread = actor.thread;
  cell.read_pc = pc;
}

}  // namespace

Conflict touch(Cell& cell, const Actor& actor, Access access, uintptr_t pc) {
  Conflict conflict;
  const bool both_atomic = access == Access::Atomic && cell.write_atomic;
  if (cell.write_era == actor.era && !both_atomic &&
      !is_after(actor, cell.write_thread, cell.write_epoch, cell.write_clock)) {
    conflict = {true, cell.write_thread, cell.write_pc, true};
  }
  if (access == Access::Read) {
    add_reader(cell, actor, pc);
    return conflict;
  }
  if (!conflict.found && cell.read_era == actor.era) {
    if (const auto reader = unordered_reader(cell, actor)) {
      conflict = {true, *reader, cell.read_pc, false};
    }
  }
  cell.write_thread = actor.thread;
  cell.write_pc = pc;
  cell.write_era = actor.era;
  cell.write_epoch = actor.epoch;
  cell.write_clock = actor.clock;
  cell.write_atomic = access == Access::Atomic;
  cell.readers = Cell::Readers::None;
  return conflict;
}

void Shadow::split(Chunk& chunk) {
  const size_t count = kChunk >> chunk.shift;
  auto halves = std::make_unique<Cell[]>(2 * count);
  for (size_t i = 0; i < 2 * count; ++i) halves[i] = chunk.cells[i / 2];
  chunk.cells = std::move(halves);
  --chunk.shift;
}

void Shadow::mark_unwritten(size_t bytes) {
  std::fill_n(written_.begin(), std::min(bytes, written_.size()), uint8_t{0});
}

}  // namespace cuda_sim
