// The functions of kernels/unary.h and their gradients, for float, for double and for vectors of
// float. Included, after kernels/unary.h, inside a namespace that has for the type V: arithmetic,
// comparisons, V(double), select(condition, a, b), exp, log, log1p, expm1, sqrt, abs, sin, cos,
// tanh, erf and pow. Hence no guard: a translation unit may need it for several of them.

/// value(x) is the function, gradient(saved, g) its derivative at `saved` times g.
struct AffineFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V a, V b) {
    return x * a + b;
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V, V g, V a, V) {
    return g * a;
  }
};

struct ExpFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return exp(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V y, V g, V, V) {
    return g * y;
  }
};

struct LogFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return log(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V, V) {
    return g / x;
  }
};

struct SqrtFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return sqrt(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V y, V g, V, V) {
    return g / (y + y);
  }
};

struct RsqrtFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return V(1) / sqrt(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V y, V g, V, V) {
    return V(-0.5) * g * y * y * y;
  }
};

struct SquareFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return x * x;
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V, V) {
    return g * (x + x);
  }
};

struct ReciprocalFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return V(1) / x;
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V y, V g, V, V) {
    return -g * y * y;
  }
};

struct AbsFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return abs(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V, V) {
    return select(x > V(0), g, select(x < V(0), -g, V(0)));
  }
};

struct SinFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return sin(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V, V) {
    return g * cos(x);
  }
};

struct CosFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return cos(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V, V) {
    return -g * sin(x);
  }
};

struct TanhFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return tanh(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V y, V g, V, V) {
    return g * (V(1) - y * y);
  }
};

struct ErfFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return erf(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V, V) {
    return g * V(1.1283791670955126) * exp(-x * x);  // 2 / sqrt(pi)
  }
};

struct SigmoidFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x) {
    const V e = exp(-abs(x));  // never above one
    return select(x < V(0), e, V(1)) / (V(1) + e);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return value(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V y, V g, V, V) {
    return g * y * (V(1) - y);
  }
};

struct SoftplusFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x) {
    return log1p(exp(-abs(x))) + select(x < V(0), V(0), x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return value(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V, V) {
    return g * SigmoidFunction::value(x);
  }
};

struct LogSigmoidFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return -SoftplusFunction::value(-x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V, V) {
    return g * SigmoidFunction::value(-x);
  }
};

struct ReluFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return select(x < V(0), V(0), x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V y, V g, V, V) {
    return select(y > V(0), g, V(0));
  }
};

struct LeakyReluFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V a, V) {
    return select(x > V(0), x, a * x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V a, V) {
    return select(x > V(0), g, a * g);
  }
};

struct EluFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V a, V) {
    return select(x > V(0), x, a * expm1(x));
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V a, V) {
    return select(x > V(0), g, g * a * exp(x));
  }
};

struct GeluFunction {
  /// The share of the normal distribution below x.
  template <class V>
  static KESTREL_HOST_DEVICE V below(V x) {
    return V(0.5) + V(0.5) * erf(x * V(0.7071067811865476));
  }
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return x * below(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V, V) {
    const V density = V(0.3989422804014327) * exp(V(-0.5) * x * x);
    return g * (below(x) + x * density);
  }
};

struct SiluFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    return x * SigmoidFunction::value(x);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V, V) {
    const V s = SigmoidFunction::value(x);
    return g * s * (V(1) + x * (V(1) - s));
  }
};

/// tanh(log(1 + e)) = t / (t + 2) with t = e * (e + 2), for e = exp(x); beyond 20 it is 1.
struct MishFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    const V e = exp(select(x > V(20), V(20), x));
    const V t = e * (e + V(2));
    return x * (t / (t + V(2)));
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V, V) {
    const V e = exp(select(x > V(20), V(20), x));
    const V t = e * (e + V(2));
    const V inverse = V(1) / (t + V(2));
    const V slope = V(4) * (t + V(1)) * inverse * inverse;
    return g * (t * inverse + x * slope * (e / (V(1) + e)));
  }
};

struct HswishFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V, V) {
    const V shifted = x + V(3);
    return x * select(shifted < V(0), V(0), select(shifted > V(6), V(6), shifted)) * V(1.0 / 6.0);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V, V) {
    const V inside = g * (x * V(1.0 / 3.0) + V(0.5));
    return select(x <= V(-3), V(0), select(x >= V(3), g, inside));
  }
};

struct ClampFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V a, V b) {
    const V above = select(x < a, a, x);
    return select(above > b, b, above);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V a, V b) {
    return select(x > a, select(x < b, g, V(0)), V(0));
  }
};

struct PowFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V x, V a, V) {
    return pow(x, a);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V gradient(V x, V g, V a, V) {
    return select(a == V(0), V(0), g * a * pow(x, a - V(1)));
  }
};

/// Calls f with the function of an op.
template <class F>
KESTREL_HOST_DEVICE void visit_unary(UnaryOp op, F&& f) {
  switch (op) {
    case UnaryOp::Affine:
      return f(AffineFunction{});
    case UnaryOp::Exp:
      return f(ExpFunction{});
    case UnaryOp::Log:
      return f(LogFunction{});
    case UnaryOp::Sqrt:
      return f(SqrtFunction{});
    case UnaryOp::Rsqrt:
      return f(RsqrtFunction{});
    case UnaryOp::Square:
      return f(SquareFunction{});
    case UnaryOp::Reciprocal:
      return f(ReciprocalFunction{});
    case UnaryOp::Abs:
      return f(AbsFunction{});
    case UnaryOp::Sin:
      return f(SinFunction{});
    case UnaryOp::Cos:
      return f(CosFunction{});
    case UnaryOp::Tanh:
      return f(TanhFunction{});
    case UnaryOp::Erf:
      return f(ErfFunction{});
    case UnaryOp::Sigmoid:
      return f(SigmoidFunction{});
    case UnaryOp::LogSigmoid:
      return f(LogSigmoidFunction{});
    case UnaryOp::Softplus:
      return f(SoftplusFunction{});
    case UnaryOp::Relu:
      return f(ReluFunction{});
    case UnaryOp::LeakyRelu:
      return f(LeakyReluFunction{});
    case UnaryOp::Elu:
      return f(EluFunction{});
    case UnaryOp::Gelu:
      return f(GeluFunction{});
    case UnaryOp::Silu:
      return f(SiluFunction{});
    case UnaryOp::Mish:
      return f(MishFunction{});
    case UnaryOp::Hswish:
      return f(HswishFunction{});
    case UnaryOp::Clamp:
      return f(ClampFunction{});
    case UnaryOp::Pow:
      return f(PowFunction{});
  }
}
