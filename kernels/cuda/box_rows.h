#pragma once

#include <kestrel/kernels/common/box_geometry.h>
#include <kestrel/kernels/cuda/pack.h>

/// Rows of (n, 4) float32 or float64: 16 bytes at a time where `packed`, which needs an address
/// that is a multiple of 16.
namespace kestrel::gpu {

template <bool packed, class T>
__device__ geometry::BoxOf<T> load_row(const T* rows, int64_t i) {
  if constexpr (!packed) {
    return geometry::load_box(rows + i * 4);
  } else if constexpr (sizeof(T) == 4) {
    const Pack<T> row = reinterpret_cast<const Pack<T>*>(rows)[i];
    return {row[0], row[1], row[2], row[3]};
  } else {
    const Pack<T> low = reinterpret_cast<const Pack<T>*>(rows)[i * 2];
    const Pack<T> high = reinterpret_cast<const Pack<T>*>(rows)[i * 2 + 1];
    return {low[0], low[1], high[0], high[1]};
  }
}

template <bool packed, class T>
__device__ void store_row(const geometry::BoxOf<T>& row, T* rows, int64_t i) {
  if constexpr (!packed) {
    geometry::store_box(row, rows + i * 4);
  } else if constexpr (sizeof(T) == 4) {
    const Pack<T> pack{{row.x1, row.y1, row.x2, row.y2}};
    reinterpret_cast<Pack<T>*>(rows)[i] = pack;
  } else {
    const Pack<T> low{{row.x1, row.y1}};
    const Pack<T> high{{row.x2, row.y2}};
    reinterpret_cast<Pack<T>*>(rows)[i * 2] = low;
    reinterpret_cast<Pack<T>*>(rows)[i * 2 + 1] = high;
  }
}

/// Calls f(T{}, std::bool_constant<packed>{}), packed where all of the addresses allow it.
template <class T, class F, class... Pointers>
void visit_rows_of(T type, F f, Pointers... rows) {
  if (((reinterpret_cast<uintptr_t>(rows) % 16 == 0) && ...)) {
    f(type, std::true_type{});
  } else {
    f(type, std::false_type{});
  }
}

/// The same with the C++ type of a dtype.
template <class F, class... Pointers>
void visit_rows(DType dtype, F f, Pointers... rows) {
  if (dtype == DType::Float64) {
    visit_rows_of(double{}, f, rows...);
  } else {
    visit_rows_of(float{}, f, rows...);
  }
}

}  // namespace kestrel::gpu
