#pragma once

#include <kestrel/kernels/binary.h>

namespace kestrel {

/// Calls f with the comparison of two values that an op stands for.
template <class F>
KESTREL_HOST_DEVICE void visit_compare(CompareOp op, F&& f) {
  switch (op) {
    case CompareOp::Equal:
      return f([](auto a, auto b) { return a == b; });
    case CompareOp::NotEqual:
      return f([](auto a, auto b) { return a != b; });
    case CompareOp::Less:
      return f([](auto a, auto b) { return a < b; });
    case CompareOp::LessEqual:
      return f([](auto a, auto b) { return a <= b; });
    case CompareOp::Greater:
      return f([](auto a, auto b) { return a > b; });
    case CompareOp::GreaterEqual:
      return f([](auto a, auto b) { return a >= b; });
    case CompareOp::And:
      return f([](auto a, auto b) { return a != 0 && b != 0; });
    case CompareOp::Or:
      return f([](auto a, auto b) { return a != 0 || b != 0; });
  }
}

/// Calls f(T{}) with the type of operands that can be compared.
template <class F>
void visit_comparable(DType dtype, F&& f) {
  switch (dtype) {
    case DType::Int64:
      return f(int64_t{});
    case DType::Int32:
      return f(int32_t{});
    case DType::UInt8:
    case DType::Bool:
      return f(uint8_t{});
    default:
      return visit_compute(dtype, "compare", std::forward<F>(f));
  }
}

/// Calls f(Word{}) with an unsigned integer as wide as a dtype.
template <class F>
void visit_width(DType dtype, F&& f) {
  switch (size_of(dtype)) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    default:
      return f(uint64_t{});
  }
}

}  // namespace kestrel
