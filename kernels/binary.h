#pragma once

#include <cstdint>

#include <kestrel/kernels/common/host_device.h>
#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Functions of two numbers, applied to the elements of two tensors that broadcast to the shape of
/// the result, as in NumPy (common/broadcast.h).
namespace kestrel {

enum class BinaryOp : uint8_t {
  Add,
  Subtract,
  Multiply,
  Divide,
  Minimum,  ///< NaN where either is; equal operands share the gradient.
  Maximum,
  Pow,    ///< a to the power of b.
  Atan2,  ///< The angle of the point (b, a).
};

enum class CompareOp : uint8_t {
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  And,  ///< Both are other than zero.
  Or,   ///< At least one is.
};

namespace cpu {

/// float32, float64 or bfloat16 (computed in float), the same on all sides. `out` may be the memory
/// of an operand of its own shape.
void binary_forward(BinaryOp op, ConstView a, ConstView b, View out);
/// grad_out times the derivative by a and by b, both of the shape of grad_out: what belongs to one
/// element of an operand is yet to be summed. Either may be absent.
void binary_backward(BinaryOp op, ConstView a, ConstView b, ConstView grad_out, View grad_a,
                     View grad_b);
/// out: bool. a and b: one dtype of any kind but float16; NaN is unequal to everything.
void compare(CompareOp op, ConstView a, ConstView b, View out);
/// out = mask ? a : b, all three of which broadcast. mask: bool; the others of one dtype, any.
void where(ConstView mask, ConstView a, ConstView b, View out);

}  // namespace cpu
namespace gpu {

void binary_forward(BinaryOp op, ConstView a, ConstView b, View out, Stream stream);
void binary_backward(BinaryOp op, ConstView a, ConstView b, ConstView grad_out, View grad_a,
                     View grad_b, Stream stream);
void compare(CompareOp op, ConstView a, ConstView b, View out, Stream stream);
void where(ConstView mask, ConstView a, ConstView b, View out, Stream stream);

}  // namespace gpu
}  // namespace kestrel
