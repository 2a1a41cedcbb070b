#pragma once

#include <cstdint>

#include <kestrel/kernels/common/host_device.h>
#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Functions of one number, applied to every element of a tensor.
namespace kestrel {

/// With the meaning of the parameters a and b where a function has them; NaN stays NaN.
enum class UnaryOp : uint8_t {
  Affine,  ///< a * x + b
  Exp,
  Log,
  Sqrt,
  Rsqrt,
  Square,
  Reciprocal,
  Abs,
  Sin,
  Cos,
  Tanh,
  Erf,
  Sigmoid,
  LogSigmoid,
  Softplus,
  Relu,
  LeakyRelu,  ///< x > 0 ? x : a * x
  Elu,        ///< x > 0 ? x : a * (exp(x) - 1)
  Gelu,       ///< x / 2 * (1 + erf(x / sqrt(2)))
  Silu,       ///< x * sigmoid(x)
  Mish,       ///< x * tanh(softplus(x))
  Hswish,     ///< x * min(max(x + 3, 0), 6) / 6
  Clamp,      ///< min(max(x, a), b); at the bounds the gradient is zero
  Pow,        ///< x to the power of a
};

struct UnaryParams {
  UnaryOp op;
  double a = 0, b = 0;
};

/// Whether the derivative is formed from the function's value rather than from its argument.
constexpr bool differentiates_value(UnaryOp op) {
  switch (op) {
    case UnaryOp::Exp:
    case UnaryOp::Sqrt:
    case UnaryOp::Rsqrt:
    case UnaryOp::Reciprocal:
    case UnaryOp::Tanh:
    case UnaryOp::Sigmoid:
    case UnaryOp::Relu:
      return true;
    default:
      return false;
  }
}

/// float32, float64 or bfloat16 (computed in float), the same on all sides, with equal numbers of
/// elements. An output may be the memory of an operand.
namespace cpu {

void unary_forward(ConstView x, View y, const UnaryParams& params);
/// grad_x = grad_y * the derivative; saved: y where differentiates_value(op), else x.
void unary_backward(ConstView saved, ConstView grad_y, View grad_x, const UnaryParams& params);

}  // namespace cpu
namespace gpu {

void unary_forward(ConstView x, View y, const UnaryParams& params, Stream stream);
void unary_backward(ConstView saved, ConstView grad_y, View grad_x, const UnaryParams& params,
                    Stream stream);

}  // namespace gpu
}  // namespace kestrel
