#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

namespace kestrel {

namespace cpu {

/// out[i] = x[indices[i]], rows of the leading dimension; any dtype. indices: int64. One outside
/// [0, rows of x): the CPU throws; a GPU, which would have to wait to know, writes a row of zeros.
void gather_rows(ConstView x, ConstView indices, View out);

/// out[r] = sum of the rows i of x with indices[i] == r, in ascending order of i; zero where there
/// is none. float32, float64 or bfloat16 (summed in float). Deterministic. An index outside
/// [0, rows of out): the CPU throws; a GPU leaves row i of x out.
void scatter_add_rows(ConstView x, ConstView indices, View out);

}  // namespace cpu
namespace gpu {

void gather_rows(ConstView x, ConstView indices, View out, Stream stream);
void scatter_add_rows(ConstView x, ConstView indices, View out, Stream stream);

}  // namespace gpu
}  // namespace kestrel
