#pragma once

#include <cstddef>

namespace kestrel {

/// What the CPU's caching allocator holds, in bytes.
struct MemoryStats {
  size_t used = 0;    ///< Handed out to tensors now.
  size_t peak = 0;    ///< The most that was handed out at once.
  size_t cached = 0;  ///< Freed by tensors and kept for the next one.
};

/// Host memory for tensors, 64-byte aligned. Freed blocks are kept and handed out again, so that a
/// training loop asks the system for memory in its first iterations only: small ones by size class
/// (steps of an eighth of a power of two), those of a MiB and more in a HostArena, which splits and
/// joins them, on huge pages where the system has them. Thread-safe. Throws OutOfMemoryError, after
/// the cache has been given back; it says what was asked for and what the largest tensors are.
/// Large blocks are refused where available_host_memory() is less: Linux would promise them, and
/// end the process later.
void* allocate_host(size_t bytes);
void free_host(void* memory, size_t bytes) noexcept;

MemoryStats host_memory_stats();
/// Begins to measure MemoryStats::peak anew.
void reset_host_memory_peak();

/// Gives cached blocks back to the system.
void release_cached_memory();

}  // namespace kestrel
