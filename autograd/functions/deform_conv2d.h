#pragma once

#include <kestrel/autograd/variable.h>
#include <kestrel/kernels/deform_conv2d.h>

namespace kestrel::autograd {

/// Deformable convolution, as kernels/deform_conv2d.h defines it. x (N, H, W, C), offset
/// (N, Ho, Wo, deform_groups * kh * kw * 2) in pixels, mask (N, Ho, Wo, deform_groups * kh * kw) or
/// undefined (version 1), weight (O, kh, kw, C / groups), bias (O) or undefined. Computes in the
/// dtype of x, under Autocast in bfloat16; samples are placed in float32 at least.
Variable deform_conv2d(const Variable& x, const Variable& offset, const Variable& mask,
                       const Variable& weight, const Variable& bias,
                       const DeformConv2dParams& params);

}  // namespace kestrel::autograd
