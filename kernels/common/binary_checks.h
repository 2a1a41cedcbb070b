#pragma once

#include <kestrel/kernels/binary.h>
#include <kestrel/kernels/common/broadcast.h>

/// What binary.h demands of its operands, checked for every device.
namespace kestrel {

inline void check_operands(const char* op, ConstView a, ConstView b) {
  KESTREL_CHECK(a.dtype == b.dtype, "[", op, "] ", a.dtype, a.shape, " and ", b.dtype, b.shape,
                " differ in dtype");
}

/// How a and b are read for the result.
inline Broadcast<2> check_binary(const char* op, ConstView a, ConstView b, ConstView out) {
  check_operands(op, a, b);
  KESTREL_CHECK(out.dtype == a.dtype && out.shape == broadcast_shape(op, a.shape, b.shape), "[", op,
                "] of ", a.dtype, a.shape, " and ", b.shape, " into ", out.dtype, out.shape);
  return make_broadcast<2>(out.shape, {a.shape, b.shape});
}

inline Broadcast<2> check_binary_backward(const char* op, ConstView a, ConstView b,
                                          ConstView grad_out, ConstView grad_a, ConstView grad_b) {
  for (const ConstView& grad : {grad_a, grad_b}) {
    KESTREL_CHECK(!grad || (grad.shape == grad_out.shape && grad.dtype == a.dtype), "[", op,
                  "] gradient ", grad.shape, " of an operand of a result ", grad_out.shape);
  }
  return check_binary(op, a, b, grad_out);
}

inline Broadcast<2> check_compare(ConstView a, ConstView b, ConstView out) {
  check_operands("compare", a, b);
  KESTREL_CHECK(
      out.dtype == DType::Bool && out.shape == broadcast_shape("compare", a.shape, b.shape),
      "[compare] of ", a.shape, " and ", b.shape, " into ", out.dtype, out.shape);
  return make_broadcast<2>(out.shape, {a.shape, b.shape});
}

/// The shape of where(mask, a, b).
inline Shape where_shape(const Shape& mask, const Shape& a, const Shape& b) {
  return broadcast_shape("where", mask, broadcast_shape("where", a, b));
}

inline Broadcast<3> check_where(ConstView mask, ConstView a, ConstView b, ConstView out) {
  check_operands("where", a, b);
  KESTREL_CHECK(mask.dtype == DType::Bool, "[where] the mask must be bool, got ", mask.dtype);
  KESTREL_CHECK(out.dtype == a.dtype && out.shape == where_shape(mask.shape, a.shape, b.shape),
                "[where] of ", mask.shape, ", ", a.shape, " and ", b.shape, " into ", out.dtype,
                out.shape);
  return make_broadcast<3>(out.shape, {mask.shape, a.shape, b.shape});
}

}  // namespace kestrel
