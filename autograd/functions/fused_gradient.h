#pragma once

#include <kestrel/autograd/variable.h>

namespace kestrel::autograd {

/// The backward of a scalar loss of one input whose gradient was computed with it: that gradient
/// times the incoming one; on the CPU without a pass over it where that is 1.
Backward scaled_gradient(Tensor gradient);

}  // namespace kestrel::autograd
