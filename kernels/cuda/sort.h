#pragma once

#include <cstdint>

#include <kestrel/kernels/stream.h>

namespace kestrel::gpu {

/// Sorts n keys on the device by their bits [first_bit, 64), ascending, in place; `spare` is room
/// for n more. The keys come in ascending order of their bits below first_bit, which is 0 or 32, so
/// that they leave fully sorted: key i may hold index i in its low half and spare half of the work.
/// Queues kernels only; fewer than 2^32 keys. Deterministic.
void sort_keys(uint64_t* keys, uint64_t* spare, int64_t n, int first_bit, Stream stream);

}  // namespace kestrel::gpu
