#pragma once

#include <cstdint>

namespace kestrel::cpu {

/// What a thread's work memory is for. Two uses that overlap in time need two names.
enum class Scratch { Weights, Left, Right, Rows, Sums, Gradient, Count };

/// Work memory of the calling thread: at least `floats` floats, aligned to a cache line, contents
/// undefined. It stays until the thread ends, so that convolutions share it; valid until the same
/// thread asks for the same use again.
float* scratch(Scratch use, int64_t floats);

}  // namespace kestrel::cpu
