#pragma once

#include <kestrel/autograd/variable.h>

namespace kestrel::autograd {

/// As many matrix products as the leading dimension has: (B, M, K) x (B, K, N) = (B, M, N).
/// trans_a: a is (B, K, M); trans_b: b is (B, N, K). Under autocast a float32 product is computed
/// in bfloat16, and so is the result.
Variable batched_matmul(const Variable& a, const Variable& b, bool trans_a = false,
                        bool trans_b = false);

}  // namespace kestrel::autograd
