#include <kestrel/kernels/matmul.h>

#include <sstream>

#include <kestrel/kernels/common/matmul_checks.h>
#include <kestrel/kernels/cuda/algorithm_choice.h>
#include <kestrel/kernels/cuda/cudnn.h>
#include <kestrel/kernels/cuda/gemm.h>

namespace kestrel::gpu {
namespace {

/// The operands of a batch follow each other.
template <class T>
Matrix<T> matrix(const T* data, int64_t rows, int64_t columns) {
  return {.data = data,
          .row_count = small_size(rows),
          .column_count = small_size(columns),
          .row_stride = columns,
          .group_stride = rows * columns};
}

template <class T>
Patches<T> patches(const T* data, int64_t rows, int64_t columns) {
  Patches<T> result = patches_of_matrix(data, rows, columns);
  result.group_stride = rows * columns;
  return result;
}

template <class T>
TapWeights<T> tap_weights(const T* data, int64_t rows, int64_t columns) {
  TapWeights<T> result = tap_weights_of_matrix(data, rows, columns);
  result.group_stride = rows * columns;
  return result;
}

/// A convolution with one tap in each of its three products, or, with both transposed, a fourth; a
/// batch is one with groups.
template <class T>
void multiply(const T* a, const T* b, const GemmSize& size, const MatmulParams& p,
              const Epilogue<T>& epilogue, Stream stream) {
  const auto [m, n, k, groups] = size;
  const ResultRows rows{.image_stride = n, .group_stride = m * n};
  const auto run = [&]<class A, class B>(const Product<A, B>& product) {
    gemm(std::span(&product, 1), product.size.groups * product.size.m * product.size.n,
         product.size.n, epilogue, {}, stream);
  };
  if (p.trans_a && p.trans_b) {
    run(TransposedProduct<T>{size, {matrix(a, k, m)}, {matrix(b, n, k)}, rows});
  } else if (p.trans_a) {
    run(BackwardWeightsProduct<T>{size, {matrix(a, k, m)}, {patches(b, k, n)}, rows});
  } else if (p.trans_b) {
    run(ForwardProduct<T>{size, {patches(a, m, k)}, {matrix(b, n, k)}, rows});
  } else {
    run(BackwardDataProduct<T>{size, {patches(a, m, k)}, {tap_weights(b, k, n)}, rows});
  }
}

}  // namespace

void matmul(ConstView a, ConstView b, View c, const MatmulParams& p, Stream stream) {
  const auto [m, n, k] = check_matmul(a, b, c, p);
  if (c.numel() == 0) return;
  const GemmSize size{m, n, k};
  const auto own = [&] {
    visit_product(a.dtype, "matmul", [&]<class T>(T) {
      const ConstView sum = p.accumulate ? ConstView(c) : ConstView{};
      multiply(a.as<T>(), b.as<T>(), size, p, make_epilogue<T>(c, sum, p.bias, p.relu), stream);
    });
  };
  if (!has_cudnn()) return own();
  std::ostringstream key;
  key << "matmul " << a.dtype << ' ' << m << 'x' << k << (p.trans_a ? " transposed" : "") << " by "
      << k << 'x' << n << (p.trans_b ? " transposed" : "") << " to " << c.dtype;
  do_either({.key = key.str(),
             .own = own,
             .library =
                 [&] {
                   return cublas_matmul({m, n, k}, a, b, c, p, stream);
                 },
             .repeatable = !p.accumulate},
            stream);
}

void batched_matmul(ConstView a, ConstView b, View c, const MatmulParams& p, Stream stream) {
  const auto [m, n, k] = check_batched_matmul(a, b, c, p);
  if (c.numel() == 0) return;
  visit_product(a.dtype, "batched_matmul", [&]<class T>(T) {
    const ConstView sum = p.accumulate ? ConstView(c) : ConstView{};
    multiply(a.as<T>(), b.as<T>(), {m, n, k, a.size(0)}, p, make_epilogue<T>(c, sum, {}, p.relu),
             stream);
  });
}

}  // namespace kestrel::gpu
