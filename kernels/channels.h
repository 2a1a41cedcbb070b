#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Operations between a feature map (..., C) and one value per channel (C). The map is float32,
/// float64 or bfloat16; the channel values are of that dtype, or float32 with bfloat16 maps.
namespace kestrel {
namespace cpu {

/// out = map + channels; `out` may be the memory of `map`.
void add_channels(ConstView map, ConstView channels, View out);
/// channels = sum of the map over everything else, accumulated in float32 (float64 for float64) in
/// fixed chunks: deterministic.
void sum_channels(ConstView map, View channels);

/// Folds a normalisation with fixed statistics into the convolution before it:
/// folded[o] = weight[o] * scale[o] and shift = beta - mean * scale, with
/// scale = gamma / sqrt(var + eps). weight (O, ...); the rest (O). Float32 or float64.
void fold_batch_norm(ConstView weight, ConstView gamma, ConstView beta, ConstView mean,
                     ConstView var, double eps, View folded, View shift);
/// Gradients of the above; any of the outputs may be absent.
void fold_batch_norm_backward(ConstView grad_folded, ConstView grad_shift, ConstView weight,
                              ConstView gamma, ConstView mean, ConstView var, double eps,
                              View grad_weight, View grad_gamma, View grad_beta);

}  // namespace cpu
namespace gpu {

void add_channels(ConstView map, ConstView channels, View out, Stream stream);
void sum_channels(ConstView map, View channels, Stream stream);
void fold_batch_norm(ConstView weight, ConstView gamma, ConstView beta, ConstView mean,
                     ConstView var, double eps, View folded, View shift, Stream stream);
void fold_batch_norm_backward(ConstView grad_folded, ConstView grad_shift, ConstView weight,
                              ConstView gamma, ConstView mean, ConstView var, double eps,
                              View grad_weight, View grad_gamma, View grad_beta, Stream stream);

}  // namespace gpu
}  // namespace kestrel
