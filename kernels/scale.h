#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

namespace kestrel {
namespace cpu {

/// out = a * factor. a and out: float32, float64 or bfloat16 (computed in float), the same memory
/// or not; factor: one element of float32, or of float64 where a is, wherever a is.
void scale(ConstView a, ConstView factor, View out);

}  // namespace cpu
namespace gpu {

void scale(ConstView a, ConstView factor, View out, Stream stream);

}  // namespace gpu
}  // namespace kestrel
