#include <kestrel/kernels/elementwise.h>

#include <algorithm>
#include <vector>

#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kGrain = 1 << 15;

/// out[i] = f(a[i]) in the accumulation type.
template <class F>
void map(const char* op, ConstView a, View out, F f) {
  KESTREL_CHECK(a.numel() == out.numel() && a.dtype == out.dtype, "[", op, "] ", a.dtype, a.shape,
                " does not fit ", out.dtype, out.shape);
  visit_compute(a.dtype, op, [&]<class T>(T) {
    const T* pa = a.as<T>();
    T* po = out.as<T>();
    parallel_for(a.numel(), kGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) po[i] = T(f(static_cast<Accumulate<T>>(pa[i])));
    });
  });
}

/// out[i] = f(a[i], b[i]) in the accumulation type.
template <class F>
void map(const char* op, ConstView a, ConstView b, View out, F f) {
  KESTREL_CHECK(a.numel() == b.numel() && a.numel() == out.numel() && a.dtype == b.dtype &&
                    a.dtype == out.dtype,
                "[", op, "] ", a.dtype, a.shape, " and ", b.dtype, b.shape, " do not fit ",
                out.dtype, out.shape);
  visit_compute(a.dtype, op, [&]<class T>(T) {
    const T* pa = a.as<T>();
    const T* pb = b.as<T>();
    T* po = out.as<T>();
    parallel_for(a.numel(), kGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        po[i] = T(f(static_cast<Accumulate<T>>(pa[i]), static_cast<Accumulate<T>>(pb[i])));
      }
    });
  });
}

}  // namespace

void add(ConstView a, ConstView b, View out) {
  map("add", a, b, out, [](auto x, auto y) { return x + y; });
}
void subtract(ConstView a, ConstView b, View out) {
  map("subtract", a, b, out, [](auto x, auto y) { return x - y; });
}
void multiply(ConstView a, ConstView b, View out) {
  map("multiply", a, b, out, [](auto x, auto y) { return x * y; });
}
void affine(ConstView a, double scale, double offset, View out) {
  map("affine", a, out, [=](auto x) {
    using A = decltype(x);
    return x * static_cast<A>(scale) + static_cast<A>(offset);
  });
}
void scale(ConstView a, ConstView factor, View out) {
  affine(a,
         factor.dtype == DType::Float64 ? *factor.as<double>()
                                        : static_cast<double>(*factor.as<float>()),
         0, out);
}
void relu_forward(ConstView a, View out) {
  map("relu", a, out, [](auto x) { return x < 0 ? decltype(x){0} : x; });
}
void relu_backward(ConstView output, ConstView grad_out, View grad_in) {
  map("relu_backward", output, grad_out, grad_in,
      [](auto y, auto g) { return y > 0 ? g : decltype(g){0}; });
}
void sigmoid_backward(ConstView output, ConstView grad_out, View grad_in) {
  map("sigmoid_backward", output, grad_out, grad_in,
      [](auto y, auto g) { return g * y * (1 - y); });
}

void sum(ConstView a, View out) {
  KESTREL_CHECK(out.numel() == 1 && out.dtype == a.dtype, "[sum] output must be one ", a.dtype);
  visit_compute(a.dtype, "sum", [&]<class T>(T) {
    const T* values = a.as<T>();
    std::vector<double> partial(static_cast<size_t>((a.numel() + kGrain - 1) / kGrain));
    parallel_for(a.numel(), kGrain, [&](int64_t begin, int64_t end) {
      // Side by side: one sum would wait for itself.
      constexpr int64_t kLanes = 16;
      double lanes[kLanes] = {};
      int64_t i = begin;
      for (; i + kLanes <= end; i += kLanes) {
        for (int64_t k = 0; k < kLanes; ++k) lanes[k] += static_cast<double>(values[i + k]);
      }
      double total = 0;
      for (; i < end; ++i) total += static_cast<double>(values[i]);
      for (const double lane : lanes) total += lane;
      partial[static_cast<size_t>(begin / kGrain)] = total;
    });
    double total = 0;
    for (const double part : partial) total += part;
    *out.as<T>() = T(static_cast<Accumulate<T>>(total));
  });
}

void broadcast(ConstView scalar, double scale, View out) {
  KESTREL_CHECK(scalar.numel() == 1 && scalar.dtype == out.dtype, "[broadcast] wants one ",
                out.dtype, ", got ", scalar.dtype, scalar.shape);
  visit_compute(out.dtype, "broadcast", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T value = T(static_cast<A>(*scalar.as<T>()) * static_cast<A>(scale));
    T* target = out.as<T>();
    parallel_for(out.numel(), kGrain, [=](int64_t begin, int64_t end) {
      std::fill(target + begin, target + end, value);
    });
  });
}

}  // namespace kestrel::cpu
