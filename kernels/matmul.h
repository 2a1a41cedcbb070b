#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

namespace kestrel {

struct MatmulParams {
  bool trans_a = false;     ///< a is stored (K, M).
  bool trans_b = false;     ///< b is stored (N, K), as the weight of a linear layer.
  bool accumulate = false;  ///< Adds to c instead of overwriting it.
  ConstView bias = {};      ///< (N), added to every row; may be absent.
  bool relu = false;        ///< Clamps c from below at zero, last of all.
  /// Not zero: equal keys mean equal contents of b; see Conv2dParams::weight_key. The keys of
  /// convolutions and matmuls are one set; conv2d_forget drops both.
  uint64_t weight_key = 0;
};

/// c = a * b: (M, K) x (K, N) = (M, N). a, b and c are all float32, all float64, all bfloat16 or,
/// on CUDA, all float16; with the last two the bias and c may also be float32. Sums are formed in
/// float32 (in float64 for float64). Zero sizes are legal; with K = 0 the product is zero. Results
/// depend neither on the number of threads nor on the run.
namespace cpu {
void matmul(ConstView a, ConstView b, View c, const MatmulParams& params);
/// As many products as the leading dimension has: (B, M, K) x (B, K, N) = (B, M, N). Neither bias
/// nor weight_key.
void batched_matmul(ConstView a, ConstView b, View c, const MatmulParams& params);
}  // namespace cpu

namespace gpu {
void matmul(ConstView a, ConstView b, View c, const MatmulParams& params, Stream stream);
void batched_matmul(ConstView a, ConstView b, View c, const MatmulParams& params, Stream stream);
}  // namespace gpu

}  // namespace kestrel
