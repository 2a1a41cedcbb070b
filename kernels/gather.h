#pragma once

#include <kestrel/kernels/common/axis.h>
#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Values of places that differ from row to row along a dimension (PyTorch's gather), of a tensor
/// seen as (outer, length, inner). indices: int64 (outer, count, inner). An index outside
/// [0, length): the CPU throws; a GPU, which would have to wait to know, takes zero, and leaves the
/// value out.
namespace kestrel {
namespace cpu {

/// out[o, i, j] = x[o, indices[o, i, j], j]; any dtype.
void gather_axis(ConstView x, ConstView indices, const Axis& axis, View out);
/// out[o, k, j] = the sum of x[o, i, j] over indices[o, i, j] == k, in the order of i. float32 or
/// float64.
void scatter_add_axis(ConstView x, ConstView indices, const Axis& axis, View out);

}  // namespace cpu
namespace gpu {

void gather_axis(ConstView x, ConstView indices, const Axis& axis, View out, Stream stream);
void scatter_add_axis(ConstView x, ConstView indices, const Axis& axis, View out, Stream stream);

}  // namespace gpu
}  // namespace kestrel
