#pragma once

#include <kestrel/kernels/view.h>

namespace kestrel::gpu {

/// The values of an operand, null where it is absent.
template <class T>
const T* data_or_null(ConstView view) {
  return view ? view.as<T>() : nullptr;
}
template <class T>
T* data_or_null(View view) {
  return view ? view.as<T>() : nullptr;
}

}  // namespace kestrel::gpu
