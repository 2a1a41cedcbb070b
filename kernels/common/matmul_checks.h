#pragma once

#include <cstddef>
#include <type_traits>

#include <kestrel/kernels/matmul.h>

/// What matmul.h demands of its operands, checked for every device.
namespace kestrel {

/// (m, k) x (k, n) = (m, n).
struct MatmulSizes {
  int64_t m, n, k;
};

inline MatmulSizes check_matmul(ConstView a, ConstView b, ConstView c, const MatmulParams& p) {
  KESTREL_CHECK(a.shape.dims() == 2 && b.shape.dims() == 2 && c.shape.dims() == 2,
                "[matmul] operands must be matrices, got ", a.shape, ", ", b.shape, " and ",
                c.shape);
  const int64_t m = a.size(p.trans_a ? 1 : 0), k = a.size(p.trans_a ? 0 : 1);
  const int64_t n = b.size(p.trans_b ? 0 : 1), k_b = b.size(p.trans_b ? 1 : 0);
  KESTREL_CHECK(k == k_b && c.shape == (Shape{m, n}), "[matmul] ", a.shape,
                p.trans_a ? " transposed" : "", " times ", b.shape, p.trans_b ? " transposed" : "",
                " does not make ", c.shape);
  KESTREL_CHECK(
      a.dtype == b.dtype && (c.dtype == a.dtype || (is_half(a.dtype) && c.dtype == DType::Float32)),
      "[matmul] operands must share one dtype, got ", a.dtype, ", ", b.dtype, " and ", c.dtype);
  if (p.bias) {
    KESTREL_CHECK(p.bias.shape == Shape{n}, "[matmul] bias must be (", n, "), got ", p.bias.shape);
    KESTREL_CHECK(p.bias.dtype == a.dtype || (is_half(a.dtype) && p.bias.dtype == DType::Float32),
                  "[matmul] bias must be ", a.dtype, ", got ", p.bias.dtype);
  }
  KESTREL_CHECK(is_floating(a.dtype), "[matmul] computes in floating point, got ", a.dtype);
  return {m, n, k};
}

/// Matrix i of a batch of them.
template <class V>
V matrix_of(const V& batch, int64_t i) {
  const int64_t rows = batch.size(1), columns = batch.size(2);
  const int64_t offset = i * rows * columns * size_of(batch.dtype);
  using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<decltype(batch.data)>>,
                                  const std::byte, std::byte>;
  return {static_cast<Byte*>(batch.data) + offset, batch.dtype, Shape{rows, columns}};
}

inline MatmulSizes check_batched_matmul(ConstView a, ConstView b, ConstView c,
                                        const MatmulParams& p) {
  KESTREL_CHECK(a.shape.dims() == 3 && b.shape.dims() == 3 && c.shape.dims() == 3 &&
                    a.size(0) == b.size(0) && a.size(0) == c.size(0),
                "[batched_matmul] operands must be (B, M, K), (B, K, N) and (B, M, N), got ",
                a.shape, ", ", b.shape, " and ", c.shape);
  KESTREL_CHECK(!p.bias && p.weight_key == 0, "[batched_matmul] takes no bias and no weight key");
  return check_matmul(matrix_of(a, 0), matrix_of(b, 0), matrix_of(c, 0), p);
}

}  // namespace kestrel
