#pragma once

#include <array>
#include <cstdint>

#include <kestrel/kernels/common/host_device.h>
#include <kestrel/kernels/shape.h>

namespace kestrel {

/// The shape of what is computed from operands of both shapes, as in NumPy: sizes are matched from
/// the last one on, and a size of 1, or one that is absent, is repeated. Throws where they don't
/// match.
inline Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  const Shape& more = a.dims() < b.dims() ? b : a;
  const Shape& fewer = a.dims() < b.dims() ? a : b;
  Shape result = more;
  for (int i = 1; i <= fewer.dims(); ++i) {
    const int64_t size = fewer[-i];
    KESTREL_CHECK(size == result[-i] || size == 1 || result[-i] == 1, "[", op, "] shapes ", a,
                  " and ", b, " do not match: ", a[-i], " and ", b[-i], " in dimension ", i,
                  " from the end; sizes must be equal, or one of them 1");
    if (result[-i] == 1) result[-i] = size;
  }
  return result;
}

/// Where the elements of a result lie in its K operands. Dimensions that all operands walk through
/// alike are joined; along the last one an operand moves by 1, or not at all.
template <int K>
struct Broadcast {
  int dims = 0;
  int64_t sizes[Shape::kMaxDims] = {};
  int64_t strides[K][Shape::kMaxDims] = {};

  /// Offsets in the operands of element i of the result.
  KESTREL_HOST_DEVICE void locate(int64_t i, int64_t (&at)[K]) const {
    for (int k = 0; k < K; ++k) at[k] = 0;
    for (int d = dims - 1; d > 0; --d) {
      const int64_t rest = i / sizes[d], place = i - rest * sizes[d];
      for (int k = 0; k < K; ++k) at[k] += place * strides[k][d];
      i = rest;
    }
    for (int k = 0; k < K; ++k) at[k] += i * strides[k][0];
  }
  /// Whether operand k is read from its first element to its last.
  bool is_whole(int k) const { return dims == 1 && strides[k][0] == 1; }
};

/// How operands of these shapes are read for a result of `shape`, which they must broadcast to.
template <int K>
Broadcast<K> make_broadcast(const Shape& shape, const std::array<Shape, K>& operands) {
  Broadcast<K> result;
  for (int d = 0; d < shape.dims(); ++d) {
    const int64_t size = shape[d];
    if (size == 1) continue;
    int64_t strides[K];
    for (int k = 0; k < K; ++k) {
      const int own = d - shape.dims() + operands[static_cast<size_t>(k)].dims();
      const Shape& operand = operands[static_cast<size_t>(k)];
      strides[k] = own < 0 || operand[own] == 1 ? 0 : operand.stride(own);
    }
    bool joins = result.dims > 0;
    for (int k = 0; k < K && joins; ++k) {
      joins = result.strides[k][result.dims - 1] == strides[k] * size;
    }
    if (joins) {
      result.sizes[result.dims - 1] *= size;
    } else {
      result.sizes[result.dims++] = size;
    }
    for (int k = 0; k < K; ++k) result.strides[k][result.dims - 1] = strides[k];
  }
  if (result.dims == 0) {
    result.dims = 1;
    result.sizes[0] = 1;
    for (int k = 0; k < K; ++k) result.strides[k][0] = 1;
  }
  return result;
}

}  // namespace kestrel
