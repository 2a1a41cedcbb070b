#pragma once

#include <kestrel/kernels/view.h>

namespace kestrel {

inline void check_logits(const ConstView& logits) {
  KESTREL_CHECK(logits.numel() < int64_t{1} << 32,
                "[candidate_select] too many logits: ", logits.shape);
}

inline void check_select_above(const ConstView& logits, const ConstView& indices,
                               const ConstView& values) {
  KESTREL_CHECK(values.numel() == indices.numel(), "[select_above] room for ", indices.numel(),
                " indices and ", values.numel(), " values");
  check_logits(logits);
}

inline void check_select_rows(const ConstView& logits, const ConstView& rows) {
  KESTREL_CHECK(rows.numel() <= logits.size(0), "[select_rows] ", rows.numel(), " of ",
                logits.size(0), " rows");
  check_logits(logits);
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
