#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Layout changes at the border to files and frameworks that keep channels first. Any dtype.
namespace kestrel {
namespace cpu {

/// (N, C, H, W) to (N, H, W, C); both views name their own shape.
void nchw_to_nhwc(ConstView from, View to);
void nhwc_to_nchw(ConstView from, View to);

}  // namespace cpu
namespace gpu {

void nchw_to_nhwc(ConstView from, View to, Stream stream);
void nhwc_to_nchw(ConstView from, View to, Stream stream);

}  // namespace gpu
}  // namespace kestrel
