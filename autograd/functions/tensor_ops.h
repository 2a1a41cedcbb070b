#pragma once

#include <vector>

#include <kestrel/kernels/binary.h>
#include <kestrel/kernels/unary.h>
#include <kestrel/tensor/tensor.h>

/// Steps of which gradients are made, without a graph.
namespace kestrel::autograd {

/// A function of every element.
Tensor mapped(const Tensor& x, const UnaryParams& function);
/// A function of two tensors that broadcast.
Tensor joined(BinaryOp op, const Tensor& a, const Tensor& b);

/// The dimension that `dim` means, which counts from the end where it is negative; throws where
/// there is none.
int dimension_of(const char* op, int dim, const Shape& shape);

/// scale * the sum over the dimensions that are `reduced`, whose sizes become 1.
Tensor sum_over(const Tensor& x, const std::vector<bool>& reduced, double scale = 1);
/// The gradient of an operand of `shape` that was broadcast to the shape of `grad`: what belongs to
/// one element is summed.
Tensor sum_to(const Tensor& grad, const Shape& shape);
/// x repeated along dimensions of size 1, or new ones in front.
Tensor expanded(const Tensor& x, const Shape& shape);

}  // namespace kestrel::autograd
