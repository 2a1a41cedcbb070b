#pragma once

#include <cstdint>

namespace kestrel::gpu {

/// Columns of a row-major matrix, and a step of so many elements in rows and columns.
struct RowStep {
  int64_t columns, rows, rest;
};

/// columns must be above 0.
inline RowStep row_step(int64_t columns, int64_t step) {
  return {columns, step / columns, step % columns};
}

/// Row and column of an element that moves on by a fixed step, without a division each time.
struct RowWalk {
  __device__ RowWalk(int64_t at, const RowStep& step)
      : row(at / step.columns), column(at % step.columns) {}

  __device__ void advance(const RowStep& step) {
    row += step.rows;
    column += step.rest;
    if (column >= step.columns) {
      column -= step.columns;
      ++row;
    }
  }

  int64_t row, column;
};

}  // namespace kestrel::gpu
