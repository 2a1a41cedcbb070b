#pragma once

#include <type_traits>

#include <kestrel/kernels/dtype.h>

namespace kestrel {

/// One value as another dtype. Floating to integer truncates.
template <class To, class From>
KESTREL_HOST_DEVICE To convert_value(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return static_cast<float>(value) != 0;
  } else if constexpr (std::is_same_v<To, bfloat16> || std::is_same_v<To, float16>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_same_v<From, bfloat16> || std::is_same_v<From, float16>) {
    return static_cast<To>(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace kestrel
