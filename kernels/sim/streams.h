#pragma once

#include <cstdint>

#include "memory.h"

namespace cuda_sim {

/// Reports where the operation numbered `operation`, which reads or writes an allocation, is
/// ordered neither by its stream nor by an event after the last one that did.
void check_streams(Allocation& allocation, uint32_t operation, bool write);

/// Whether an address is in host memory that kernels may use as well.
bool is_pinned(uintptr_t address);

}  // namespace cuda_sim
