#pragma once

#include <kestrel/tensor/tensor.h>

namespace kestrel {

/// source[rows] along the leading dimension; rows (k) int64, on the same device.
Tensor take_rows(const Tensor& source, const Tensor& rows);

}  // namespace kestrel
