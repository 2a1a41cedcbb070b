#include <kestrel/kernels/scale.h>
#include <kestrel/kernels/unary.h>

namespace kestrel::cpu {

void scale(ConstView a, ConstView factor, View out) {
  const double value = factor.dtype == DType::Float64 ? *factor.as<double>()
                                                      : static_cast<double>(*factor.as<float>());
  unary_forward(a, out, {UnaryOp::Affine, value, 0});
}

}  // namespace kestrel::cpu
