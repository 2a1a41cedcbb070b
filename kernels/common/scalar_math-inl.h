// What unary_functions-inl.h and binary_functions-inl.h need of their namespace, for float and
// double. Included inside that namespace.

using std::abs;
using std::atan2;
using std::cos;
using std::erf;
using std::exp;
using std::expm1;
using std::log;
using std::log1p;
using std::pow;
using std::sin;
using std::sqrt;
using std::tanh;

template <class V>
KESTREL_HOST_DEVICE V select(bool condition, V a, V b) {
  return condition ? a : b;
}
