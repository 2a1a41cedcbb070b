#pragma once

#include <kestrel/kernels/candidate_select.h>

namespace kestrel {

inline void check_logits(const ConstView& logits) {
  KESTREL_CHECK(logits.numel() < int64_t{1} << 32,
                "[candidate_select] too many logits: ", logits.shape);
}

inline void check_select_above(const ConstView& logits, const ConstView& indices,
                               const ConstView& values, const ConstView& count) {
  KESTREL_CHECK(count.numel() == 1, "[select_above] the number of what is found is one, not ",
                count.shape);
  KESTREL_CHECK(values.numel() == indices.numel(), "[select_above] room for ", indices.numel(),
                " indices and ", values.numel(), " values");
  check_logits(logits);
}

inline void check_select_rows(const ConstView& logits, const ConstView& rows) {
  KESTREL_CHECK(rows.numel() <= logits.size(0), "[select_rows] ", rows.numel(), " of ",
                logits.size(0), " rows");
  check_logits(logits);
}

inline void check_split_positions(const ConstView& positions, int64_t columns,
                                  const ConstView& rows, const ConstView& remainders) {
  KESTREL_CHECK(columns > 0, "[split_positions] a matrix with ", columns, " columns");
  KESTREL_CHECK(rows.numel() == positions.numel() && remainders.numel() == positions.numel(),
                "[split_positions] room for ", rows.numel(), " rows and ", remainders.numel(),
                " columns of ", positions.numel(), " positions");
}

inline void check_score_candidates(const ConstView& boxes, const ConstView& logits,
                                   const CandidateParams& params, const ConstView& out,
                                   const ConstView& scores) {
  const int64_t n = logits.numel();
  KESTREL_CHECK(boxes.numel() == 4 * n && out.numel() == 4 * n && scores.numel() == n,
                "[score_candidates] ", n, " logits, but boxes ", boxes.shape, ", room for boxes ",
                out.shape, " and for scores ", scores.shape);
  KESTREL_CHECK(params.scale_x > 0 && params.scale_y > 0,
                "[score_candidates] scales must be positive, got ", params.scale_x, " and ",
                params.scale_y);
}

/// Calls f with the logits' address in their type.
template <class F>
void visit_logits(const ConstView& logits, F f) {
  if (logits.dtype == DType::BFloat16) {
    f(logits.as<bfloat16>());
  } else {
    f(logits.as<float>());
  }
}

}  // namespace kestrel
