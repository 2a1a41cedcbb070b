#pragma once

#include <cstddef>

#include <kestrel/kernels/stream.h>

namespace kestrel::gpu {

/// Copies host memory to the device by way of pinned memory: `from` may be reused on return, and
/// nobody has waited for the stream. At most kMaxStaged bytes are on their way at a time.
void copy_staged(void* to, const void* from, size_t bytes, Stream stream);

inline constexpr size_t kMaxStaged = size_t{256} << 20;

}  // namespace kestrel::gpu
