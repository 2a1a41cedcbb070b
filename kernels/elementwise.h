#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Elementwise arithmetic on float32, float64 and bfloat16 (computed in float). Operands have equal
/// shapes and dtypes; outputs may be the memory of an operand.
namespace kestrel {
namespace cpu {

void add(ConstView a, ConstView b, View out);
void subtract(ConstView a, ConstView b, View out);
void multiply(ConstView a, ConstView b, View out);
/// out = a * scale + offset.
void affine(ConstView a, double scale, double offset, View out);
/// out = a * factor, one element of float32 or float64 where a is.
void scale(ConstView a, ConstView factor, View out);
/// out = max(a, 0); NaN stays NaN.
void relu_forward(ConstView a, View out);
/// grad_in = output > 0 ? grad_out : 0.
void relu_backward(ConstView output, ConstView grad_out, View grad_in);
void sigmoid_forward(ConstView a, View out);
void sigmoid_backward(ConstView output, ConstView grad_out, View grad_in);
/// out () = sum of all elements, accumulated in double over fixed chunks.
void sum(ConstView a, View out);
/// out[i] = scalar * scale, for a scalar of one element.
void broadcast(ConstView scalar, double scale, View out);

}  // namespace cpu
namespace gpu {

void add(ConstView a, ConstView b, View out, Stream stream);
void subtract(ConstView a, ConstView b, View out, Stream stream);
void multiply(ConstView a, ConstView b, View out, Stream stream);
void affine(ConstView a, double scale, double offset, View out, Stream stream);
void scale(ConstView a, ConstView factor, View out, Stream stream);
void relu_forward(ConstView a, View out, Stream stream);
void relu_backward(ConstView output, ConstView grad_out, View grad_in, Stream stream);
void sigmoid_forward(ConstView a, View out, Stream stream);
void sigmoid_backward(ConstView output, ConstView grad_out, View grad_in, Stream stream);
void sum(ConstView a, View out, Stream stream);
void broadcast(ConstView scalar, double scale, View out, Stream stream);

}  // namespace gpu
}  // namespace kestrel
