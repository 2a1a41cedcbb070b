#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

namespace kestrel {

/// Where equal blocks of elements lie in a tensor: block i begins at start + i * stride.
struct Blocks {
  int64_t start, stride;
};

namespace cpu {

/// Copies `count` blocks of `length` elements; any dtype, the same on both sides.
void copy_blocks(ConstView from, const Blocks& from_blocks, View to, const Blocks& to_blocks,
                 int64_t count, int64_t length);

/// out[i] = x[indices[i]], rows of the leading dimension; any dtype. indices: int64. One outside
/// [0, rows of x): the CPU throws; a GPU, which would have to wait to know, writes a row of zeros.
void gather_rows(ConstView x, ConstView indices, View out);

/// out[r] = sum of the rows i of x with indices[i] == r, in ascending order of i; zero where there
/// is none. float32, float64 or bfloat16 (summed in float). Deterministic. An index outside
/// [0, rows of out): the CPU throws; a GPU leaves row i of x out.
void scatter_add_rows(ConstView x, ConstView indices, View out);

}  // namespace cpu
namespace gpu {

void copy_blocks(ConstView from, const Blocks& from_blocks, View to, const Blocks& to_blocks,
                 int64_t count, int64_t length, Stream stream);
void gather_rows(ConstView x, ConstView indices, View out, Stream stream);
void scatter_add_rows(ConstView x, ConstView indices, View out, Stream stream);

}  // namespace gpu
}  // namespace kestrel
