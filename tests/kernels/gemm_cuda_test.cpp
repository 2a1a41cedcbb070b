#ifdef KESTREL_SIM  // Internals, which only a compiler of kernels can include.
#include <cmath>

#include <kestrel/kernels/cuda/gemm.h>
#include <kestrel/kernels/matmul.h>
#include <kestrel/tensor/random.h>

#include "../support/cuda_twin.h"

namespace kestrel::test {
namespace {

using namespace gpu;

template <class T>
Matrix<T> matrix(const T* data, int64_t rows, int64_t columns) {
  return {.data = data,
          .row_count = small_size(rows),
          .column_count = small_size(columns),
          .row_stride = columns};
}

/// Each kind of tile, and each way to join splits, on every kind of product.
class GemmCuda : public CudaTwin {
 protected:
  template <class T>
  static void check(GemmPlan plan, const GemmSize& size, const GemmOptions& options,
                    double tolerance) {
    const auto [m, n, k, groups] = size;
    plan.packed = n % Pack<T>::kSize == 0;
    for (const bool trans_a : {false, true}) {
      for (const bool trans_b : {false, true}) {
        Philox random(7);
        const Tensor a = normal<T>(trans_a ? Shape{k, m} : Shape{m, k}, random);
        const Tensor b = normal<T>(trans_b ? Shape{n, k} : Shape{k, n}, random);
        const Tensor bias = normal<T>({n}, random);
        Tensor want = Tensor::empty({m, n}, DType::Float64);
        const Tensor wide_bias = bias.to(DType::Float64);
        cpu::matmul(a.to(DType::Float64).view(), b.to(DType::Float64).view(), want.view(),
                    {.trans_a = trans_a, .trans_b = trans_b, .bias = wide_bias.view()});

        const Tensor device_a = upload(a), device_b = upload(b), device_bias = upload(bias);
        Tensor got = Tensor::empty({m, n}, dtype_of<T>, Device::cuda(0));
        const auto epilogue = make_epilogue<T>(got.view(), {}, device_bias.view());
        const T* left = device_a.view().as<T>();
        const T* right = device_b.view().as<T>();
        const auto run = [&]<class A, class B>(Product<A, B> product) {
          multiply(product, plan, epilogue, options);
        };
        const ResultRows rows{.image_stride = n};
        if (trans_a && trans_b) {
          run(TransposedProduct<T>{size, {matrix(left, k, m)}, {matrix(right, n, k)}, rows});
        } else if (trans_a) {
          run(BackwardWeightsProduct<T>{
              size, {matrix(left, k, m)}, {patches_of_matrix(right, k, n)}, rows});
        } else if (trans_b) {
          run(ForwardProduct<T>{
              size, {patches_of_matrix(left, m, k)}, {matrix(right, n, k)}, rows});
        } else {
          run(BackwardDataProduct<T>{
              size, {patches_of_matrix(left, m, k)}, {tap_weights_of_matrix(right, k, n)}, rows});
        }
        expect_near(got, want, tolerance);
      }
    }
  }

 private:
  template <class T>
  static Tensor normal(const Shape& shape, Philox& random) {
    Tensor values = Tensor::empty(shape);
    fill_normal(values, 0, 1, random);
    return values.to(dtype_of<T>);
  }

  template <class T, class A, class B>
  static void multiply(Product<A, B> product, const GemmPlan& plan, const Epilogue<T>& epilogue,
                       const GemmOptions& options) {
    const int64_t count = product.size.m * product.size.n;
    const Scratch<Accumulate<T>> partial(plan.splits * count, stream());
    const Epilogue<T> end =
        plan.splits == 1 ? epilogue : Epilogue<T>{.output = partial.get(), .wide = true};
    if (plan.splits > 1) product.rows.split_stride = count;
    if constexpr (std::is_same_v<T, bfloat16>) {
      multiply_mma(product, plan, end, stream());
    } else if constexpr (std::is_same_v<T, float>) {
      (options.tf32 ? multiply_mma<T, A, B> : multiply_simt<T, A, B>)(product, plan, end, stream());
    } else {
      multiply_simt(product, plan, end, stream());
    }
    if (plan.splits > 1) {
      join_splits(partial.get(), plan.splits, count, product.size.n, plan.packed, epilogue,
                  stream());
    }
  }

  static void expect_near(const Tensor& got, const Tensor& want, double tolerance) {
    const Tensor host = got.to(Device::cpu()).to(DType::Float64);
    double scale = 0, worst = 0;
    for (int64_t i = 0; i < want.numel(); ++i) {
      const double difference = std::abs(host.data<double>()[i] - want.data<double>()[i]);
      worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
      scale = std::max(scale, std::abs(want.data<double>()[i]));
    }
    EXPECT_LE(worst, tolerance * scale);
  }
};

// Beyond one tile each way; fewer than one tile. Multiples of a pack.
constexpr GemmSize kAligned[] = {{136, 200, 104}, {8, 8, 8}};
// bfloat16 rounds the result by 2^-9, tf32 each factor by 2^-11 of about 100 terms.
constexpr double kBFloat16 = 4e-3, kTf32 = 2e-3, kFloat32 = 2e-6, kFloat64 = 1e-14;

TEST_F(GemmCuda, AlignedTiles) {
  for (const GemmSize& size : kAligned) {
    for (const bool large : {false, true}) {
      for (const int64_t splits : {1, 3}) {
        const GemmPlan plan{.large = large, .aligned = true, .splits = splits};
        SCOPED_TRACE(::testing::Message() << size.m << " large " << large << " splits " << splits);
        check<bfloat16>(plan, size, {}, kBFloat16);
        check<float>(plan, size, {}, kFloat32);
        check<float>(plan, size, {.tf32 = true}, kTf32);
      }
    }
  }
}

TEST_F(GemmCuda, TilesGatheredElementByElement) {
  for (const GemmSize& size : {GemmSize{67, 65, 103}, GemmSize{1, 1, 1}}) {
    for (const int64_t splits : {1, 3}) {
      SCOPED_TRACE(::testing::Message() << size.m << " splits " << splits);
      const GemmPlan plan{.splits = splits};
      check<bfloat16>(plan, size, {}, kBFloat16);
      check<float>(plan, size, {}, kFloat32);
      check<double>(plan, size, {}, kFloat64);
    }
  }
}

TEST_F(GemmCuda, DoesNotDependOnBlockOrSchedule) {
  for_each_setting([] {
    for (const bool large : {false, true}) {
      const GemmPlan plan{.large = large, .aligned = true, .splits = 2};
      check<bfloat16>(plan, {72, 136, 136}, {}, kBFloat16);
      check<float>(plan, {72, 136, 68}, {}, kFloat32);
    }
  });
}

TEST_F(GemmCuda, PlansSplitWhereTilesAreFew) {
  EXPECT_EQ(plan_gemm({100000, 256, 2304}, true).splits, 1);
  EXPECT_TRUE(plan_gemm({100000, 256, 2304}, true).large);
  EXPECT_FALSE(plan_gemm({100000, 256, 2304}, false).large);
  EXPECT_FALSE(plan_gemm({100000, 64, 2304}, true).large);
  EXPECT_GT(plan_gemm({256, 2304, 100000}, true).splits, 4);
  EXPECT_GT(plan_gemm({70, 256, 2304}, true).splits, 4);
  EXPECT_EQ(plan_gemm({70, 256, 200}, true).splits, 1);
}

}  // namespace
}  // namespace kestrel::test
#endif
