#pragma once

#include <kestrel/autograd/variable.h>

namespace kestrel::autograd {

struct Pool2dOptions {
  int64_t kernel = 2;
  int64_t stride = 2;
  int64_t pad = 0;         ///< At most kernel / 2.
  bool ceil_mode = false;  ///< Rounds the output size up; a window never starts beyond the input.
  bool count_include_pad = true;  ///< Averages count the padding's zeros.
};

/// Largest value of each window of x (N, H, W, C); padding never wins, NaN always does. Of equal
/// values the first in row-major order gets the gradient.
Variable max_pool2d(const Variable& x, const Pool2dOptions& options = {});

/// Mean of each window of x (N, H, W, C).
Variable avg_pool2d(const Variable& x, const Pool2dOptions& options = {});

}  // namespace kestrel::autograd
