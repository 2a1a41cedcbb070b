#pragma once

#include <cstdint>
#include <filesystem>

namespace kestrel {

/// Processors of the machine.
int machine_cores();

/// Memory in bytes: of the machine or, where it is less, the limit of the container; and what of it
/// is free for programs. 0 where the system does not tell.
struct MachineMemory {
  int64_t total = 0;
  int64_t available = 0;
};
MachineMemory machine_memory();

/// Whether files can be made in a folder, or in the nearest folder above it that exists.
bool is_writable(const std::filesystem::path& folder);
/// Bytes that are free there; 0 where the system does not tell.
int64_t free_disk_space(const std::filesystem::path& folder);

}  // namespace kestrel
