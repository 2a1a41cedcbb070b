#include <kestrel/kernels/matmul.h>

#include <vector>

#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

template <class T, class C>
void multiply(const T* a, const T* b, C* c, int64_t m, int64_t n, int64_t k,
              const MatmulParams& p) {
  using A = Accumulate<T>;
  parallel_for(m, 8, [&](int64_t begin, int64_t end) {
    std::vector<A> sum(static_cast<size_t>(n));
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        A start{0};
        if (p.bias) {
          start = p.bias.dtype == DType::Float32
                      ? static_cast<A>(static_cast<const float*>(p.bias.data)[j])
                      : static_cast<A>(static_cast<const T*>(p.bias.data)[j]);
        }
        if (p.accumulate) start += static_cast<A>(c[i * n + j]);
        sum[static_cast<size_t>(j)] = start;
      }
      if (p.trans_b) {
        for (int64_t j = 0; j < n; ++j) {
          A dot{0};
          for (int64_t l = 0; l < k; ++l) {
            dot +=
                static_cast<A>(a[p.trans_a ? l * m + i : i * k + l]) * static_cast<A>(b[j * k + l]);
          }
          sum[static_cast<size_t>(j)] += dot;
        }
      } else {
        for (int64_t l = 0; l < k; ++l) {
          const A factor = static_cast<A>(a[p.trans_a ? l * m + i : i * k + l]);
          for (int64_t j = 0; j < n; ++j) {
            sum[static_cast<size_t>(j)] += factor * static_cast<A>(b[l * n + j]);
          }
        }
      }
      for (int64_t j = 0; j < n; ++j) {
        const A value = sum[static_cast<size_t>(j)];
        c[i * n + j] = static_cast<C>(p.relu && value < A{0} ? A{0} : value);
      }
    }
  });
}

}  // namespace

void matmul(ConstView a, ConstView b, View c, const MatmulParams& p) {
  KESTREL_CHECK(a.shape.dims() == 2 && b.shape.dims() == 2 && c.shape.dims() == 2,
                "[matmul] operands must be matrices, got ", a.shape, ", ", b.shape, " and ",
                c.shape);
  const int64_t m = a.size(p.trans_a ? 1 : 0), k = a.size(p.trans_a ? 0 : 1);
  const int64_t n = b.size(p.trans_b ? 0 : 1), k_b = b.size(p.trans_b ? 1 : 0);
  KESTREL_CHECK(k == k_b && c.shape == (Shape{m, n}), "[matmul] ", a.shape,
                p.trans_a ? " transposed" : "", " times ", b.shape, p.trans_b ? " transposed" : "",
                " does not make ", c.shape);
  KESTREL_CHECK(
      a.dtype == b.dtype &&
          (c.dtype == a.dtype || (a.dtype == DType::BFloat16 && c.dtype == DType::Float32)),
      "[matmul] operands must share one dtype, got ", a.dtype, ", ", b.dtype, " and ", c.dtype);
  if (p.bias) {
    KESTREL_CHECK(p.bias.shape == Shape{n}, "[matmul] bias must be (", n, "), got ", p.bias.shape);
    KESTREL_CHECK(
        p.bias.dtype == a.dtype || (a.dtype == DType::BFloat16 && p.bias.dtype == DType::Float32),
        "[matmul] bias must be ", a.dtype, ", got ", p.bias.dtype);
  }
  if (c.numel() == 0) return;
  visit_compute(a.dtype, "matmul", [&](auto type) {
    using T = decltype(type);
    if (c.dtype == DType::Float32) {
      multiply(a.as<T>(), b.as<T>(), c.as<float>(), m, n, k, p);
    } else {
      multiply(a.as<T>(), b.as<T>(), c.as<T>(), m, n, k, p);
    }
  });
}

}  // namespace kestrel::cpu
