#pragma once

#include <cstdint>

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Finds the few promising predictions among the logits of a dense head, without computing scores.
namespace kestrel {
namespace cpu {

/// The highest logits above `threshold`, at most as many as `indices` holds: writes their positions
/// in the flattened logits to indices (k) int64 and their values to values (k) float32, by
/// descending logit and among equal ones by position, and returns their number. logits float32 or
/// bfloat16, fewer than 2^32; NaN is never above. Deterministic.
int64_t select_above(ConstView logits, float threshold, View indices, View values);

/// The k rows of logits (n, C) with the highest maximum, where k <= n is the size of rows (k)
/// int64; by descending maximum and then by row. NaN counts as lowest. Deterministic.
void select_rows(ConstView logits, View rows);

}  // namespace cpu
namespace gpu {

int64_t select_above(ConstView logits, float threshold, View indices, View values, Stream stream);
void select_rows(ConstView logits, View rows, Stream stream);

}  // namespace gpu
}  // namespace kestrel
