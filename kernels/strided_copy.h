#pragma once

#include <kestrel/kernels/common/walk.h>
#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Values moved from one order to another: permutations, parts, repetitions.
namespace kestrel {
namespace cpu {

/// Copies the elements of a walk; any dtype, the same on both sides. No two of them may go to one
/// place.
void strided_copy(ConstView from, View to, const Walk& walk);

}  // namespace cpu
namespace gpu {

void strided_copy(ConstView from, View to, const Walk& walk, Stream stream);

}  // namespace gpu
}  // namespace kestrel
