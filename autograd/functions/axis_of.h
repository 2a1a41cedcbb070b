#pragma once

#include <kestrel/kernels/common/axis.h>
#include <kestrel/kernels/shape.h>

namespace kestrel::autograd {

/// A shape as dimension `dim` and what lies around it.
inline Axis axis_of(const Shape& shape, int dim) {
  Axis axis{1, shape[dim], shape.stride(dim)};
  for (int d = 0; d < dim; ++d) axis.outer *= shape[d];
  return axis;
}

}  // namespace kestrel::autograd
