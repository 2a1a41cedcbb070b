#pragma once

#include <cstddef>

namespace kestrel {

/// Bytes that this process could still have: what the system calls available, free swap with it,
/// and no more than its control group and `ulimit -v` leave.
size_t available_host_memory();

}  // namespace kestrel
