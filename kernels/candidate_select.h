#pragma once

#include <cstdint>
#include <limits>

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Finds the few promising predictions among the logits of a dense head, without computing scores
/// of the others, and makes candidates for non-maximum suppression of them. Nobody waits for a GPU.
namespace kestrel {

/// The score of a candidate that is none. Its box is zero, so that it suppresses nothing.
inline constexpr float kNoCandidate = -1;

struct CandidateParams {
  float scale_x = 1, scale_y = 1;  ///< Boxes are divided by these.
  /// Both sides have to be longer, in pixels after the division; -infinity: any box will do.
  float min_size = -std::numeric_limits<float>::infinity();
};

namespace cpu {

/// The highest logits above `threshold`, at most as many as `indices` holds: writes their positions
/// in the flattened logits to indices (k) int64 and their values to values (k) float32, by
/// descending logit and among equal ones by position, and their number to count (1) int64. logits
/// float32 or bfloat16, fewer than 2^32; NaN is never above. Deterministic.
void select_above(ConstView logits, float threshold, View indices, View values, View count);

/// The k rows of logits (n, C) with the highest maximum, where k <= n is the size of rows (k)
/// int64; by descending maximum and then by row. NaN counts as lowest. Deterministic.
void select_rows(ConstView logits, View rows);

/// The rows and columns of positions in a flattened matrix with `columns` columns. All (k) int64,
/// positions not negative.
void split_positions(ConstView positions, int64_t columns, View rows, View remainders);

/// Candidates of decoded boxes (k, 4) float32 and their logits (k) float32: boxes after `params` to
/// out (k, 4) float32, their sigmoids to scores (k) float32. A box that is not finite or too small
/// is no candidate: out 0, score kNoCandidate.
void score_candidates(ConstView boxes, ConstView logits, const CandidateParams& params, View out,
                      View scores);

}  // namespace cpu
namespace gpu {

void select_above(ConstView logits, float threshold, View indices, View values, View count,
                  Stream stream);
void select_rows(ConstView logits, View rows, Stream stream);
void split_positions(ConstView positions, int64_t columns, View rows, View remainders,
                     Stream stream);
void score_candidates(ConstView boxes, ConstView logits, const CandidateParams& params, View out,
                      View scores, Stream stream);

}  // namespace gpu
}  // namespace kestrel
