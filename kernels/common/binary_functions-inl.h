// The functions of kernels/binary.h and their gradients; included as unary_functions-inl.h is, by a
// namespace that has atan2 too.

/// value(a, b) is the function, grad_a(a, b, g) and grad_b(a, b, g) its derivatives times g.
struct AddFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V a, V b) {
    return a + b;
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_a(V, V, V g) {
    return g;
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_b(V, V, V g) {
    return g;
  }
};

struct SubtractFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V a, V b) {
    return a - b;
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_a(V, V, V g) {
    return g;
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_b(V, V, V g) {
    return -g;
  }
};

struct MultiplyFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V a, V b) {
    return a * b;
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_a(V, V b, V g) {
    return g * b;
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_b(V a, V, V g) {
    return g * a;
  }
};

struct DivideFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V a, V b) {
    return a / b;
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_a(V, V b, V g) {
    return g / b;
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_b(V a, V b, V g) {
    return -g * (a / b) / b;
  }
};

struct MinimumFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V a, V b) {
    return select(a < b, a, select(a != a, a, b));
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_a(V a, V b, V g) {
    return select(a < b, g, select(a == b, V(0.5) * g, V(0)));
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_b(V a, V b, V g) {
    return select(b < a, g, select(a == b, V(0.5) * g, V(0)));
  }
};

struct MaximumFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V a, V b) {
    return select(a > b, a, select(a != a, a, b));
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_a(V a, V b, V g) {
    return select(a > b, g, select(a == b, V(0.5) * g, V(0)));
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_b(V a, V b, V g) {
    return select(b > a, g, select(a == b, V(0.5) * g, V(0)));
  }
};

struct PowerFunction {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V a, V b) {
    return pow(a, b);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_a(V a, V b, V g) {
    return select(b == V(0), V(0), g * b * pow(a, b - V(1)));
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_b(V a, V b, V g) {
    const V at_zero = select(b < V(0), g * pow(a, b) * log(a), V(0));
    return select(a == V(0), at_zero, g * pow(a, b) * log(a));
  }
};

struct Atan2Function {
  template <class V>
  static KESTREL_HOST_DEVICE V value(V a, V b) {
    return atan2(a, b);
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_a(V a, V b, V g) {
    return g * (b / (a * a + b * b));
  }
  template <class V>
  static KESTREL_HOST_DEVICE V grad_b(V a, V b, V g) {
    return -g * (a / (a * a + b * b));
  }
};

/// Calls f with the function of an op.
template <class F>
KESTREL_HOST_DEVICE void visit_binary(BinaryOp op, F&& f) {
  switch (op) {
    case BinaryOp::Add:
      return f(AddFunction{});
    case BinaryOp::Subtract:
      return f(SubtractFunction{});
    case BinaryOp::Multiply:
      return f(MultiplyFunction{});
    case BinaryOp::Divide:
      return f(DivideFunction{});
    case BinaryOp::Minimum:
      return f(MinimumFunction{});
    case BinaryOp::Maximum:
      return f(MaximumFunction{});
    case BinaryOp::Pow:
      return f(PowerFunction{});
    case BinaryOp::Atan2:
      return f(Atan2Function{});
  }
}
