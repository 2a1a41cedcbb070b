#include <kestrel/kernels/matmul.h>

#include <limits>
#include <vector>

#include <kestrel/kernels/common/matmul_checks.h>
#include <kestrel/kernels/cpu/conv2d_gemm.h>
#include <kestrel/kernels/cpu/weight_cache.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

/// Plain loops, for float64.
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

/// A matrix (rows, columns) as the patches of a 1x1 convolution.
template <class T>
Patches<T> rows_of(const T* matrix, int64_t rows, int64_t columns) {
  return {.data = matrix,
          .batch = 1,
          .height = 1,
          .width = rows,
          .pixel_stride = columns,
          .channels = columns,
          .grid_h = 1,
          .grid_w = rows,
          .step_h = 1,
          .step_w = 1,
          .taps = {{0, 0, 0}}};
}

template <class T>
std::vector<T> transposed(const T* matrix, int64_t rows, int64_t columns) {
  constexpr int64_t kSquare = 32;
  std::vector<T> result(static_cast<size_t>(rows * columns));
  parallel_for(columns, kSquare, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = begin; j < end; ++j) {
        result[static_cast<size_t>(j * rows + i)] = matrix[i * columns + j];
      }
    }
  });
  return result;
}

template <class T, class C>
void multiply_packed(const T* a, const T* b, C* c, int64_t m, int64_t n, int64_t k,
                     const MatmulParams& p) {
  const GemmKernels& kernels = gemm_kernels();
  const bool plain_store = !p.bias && !p.accumulate && !p.relu;
  if (p.trans_a && !p.trans_b && plain_store) {
    multiply_transposed_patches(a, m, m, rows_of(b, k, n), c, n);
    return;
  }
  std::vector<T> a_rows;
  if (p.trans_a) a_rows = transposed(a, k, m);
  const int64_t panels = (n + kernels.panel - 1) / kernels.panel, depth = padded_depth(k);
  const PackedWeights packed = packed_weights(
      p.weight_key, Packing::Matmul, p.trans_b ? 1 : 0, panels * depth * kernels.panel,
      [&](float* to) {
        parallel_for(panels, 1, [&](int64_t panel, int64_t) {
          const int64_t column = panel * kernels.panel;
          const int64_t width = std::min(kernels.panel, n - column);
          float* at = to + column * depth;
          if (p.trans_b) {
            pack_transposed(kernels, b + column * k, k, width, k, at);
          } else {
            copy_rows(kernels, b + column, n, k, width, kernels.panel, at, kernels.panel);
            std::fill(at + k * kernels.panel, at + depth * kernels.panel, 0.0f);
          }
        });
      });
  std::vector<float> bias_storage;
  const float* bias = padded_bias(p.bias, n + kernels.panel, bias_storage);
  const OutputGrid grid{
      .grid_h = 1, .grid_w = m, .image_stride = m * n, .row_stride = m * n, .pixel_stride = n};
  multiply_patches<T, C>(rows_of(p.trans_a ? a_rows.data() : a, m, k), packed.data, n, bias,
                         p.accumulate ? c : nullptr, c, grid,
                         p.relu ? 0.0f : -std::numeric_limits<float>::infinity());
}

}  // namespace

void matmul(ConstView a, ConstView b, View c, const MatmulParams& p) {
  const auto [m, n, k] = check_matmul(a, b, c, p);
  check_cpu_product("matmul", a.dtype);
  if (c.numel() == 0) return;
  if (a.dtype == DType::Float64) {
    multiply(a.as<double>(), b.as<double>(), c.as<double>(), m, n, k, p);
  } else if (a.dtype == DType::Float32) {
    multiply_packed(a.as<float>(), b.as<float>(), c.as<float>(), m, n, k, p);
  } else if (c.dtype == DType::Float32) {
    multiply_packed(a.as<bfloat16>(), b.as<bfloat16>(), c.as<float>(), m, n, k, p);
  } else {
    multiply_packed(a.as<bfloat16>(), b.as<bfloat16>(), c.as<bfloat16>(), m, n, k, p);
  }
}

void batched_matmul(ConstView a, ConstView b, View c, const MatmulParams& p) {
  check_batched_matmul(a, b, c, p);
  const int64_t batch = a.size(0);
  const auto multiply_one = [&](int64_t i) {
    matmul(matrix_of(a, i), matrix_of(b, i), matrix_of(c, i), p);
  };
  if (batch < num_threads()) {
    for (int64_t i = 0; i < batch; ++i) multiply_one(i);
  } else {
    parallel_for(batch, 1, [&](int64_t i, int64_t) { multiply_one(i); });
  }
}

}  // namespace kestrel::cpu
