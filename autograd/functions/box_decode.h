#pragma once

#include <kestrel/autograd/variable.h>
#include <kestrel/kernels/box_coder.h>

namespace kestrel::autograd {

/// Boxes (n, 4) from deltas (n, 4) and their anchors (n, 4); differentiable by the deltas. Clips to
/// `size` where params.clip. Bfloat16 deltas give float32 boxes. See kernels/box_coder.h.
Variable box_decode(const Tensor& anchors, const Variable& deltas, const DeltaParams& params,
                    ClipSize size = {});

}  // namespace kestrel::autograd
