#include <cmath>

#include <kestrel/kernels/matmul.h>
#include <kestrel/tensor/random.h>

#include "../support/cuda_twin.h"

namespace kestrel::test {
namespace {

struct CudaSizes {
  int64_t m, n, k;
};
const CudaSizes kCudaSizes[] = {{1, 1, 1},      {3, 5, 7},    {16, 32, 16},   {14, 33, 100},
                                {1, 200, 65},   {70, 1, 300}, {100, 24, 640}, {137, 96, 1},
                                {100, 81, 257}, {0, 4, 4},    {4, 0, 4},      {4, 5, 0}};

/// Against the CPU's results in float64 on the same, rounded, operands.
class MatmulCuda : public CudaTwin {
 protected:
  static Tensor normal(const Shape& shape, DType dtype, uint64_t seed) {
    Philox random(seed);
    Tensor values = Tensor::empty(shape);
    fill_normal(values, 0, 1, random);
    return values.to(dtype);
  }

  static void check(const CudaSizes& s, int flags, DType dtype, DType result, double tolerance) {
    SCOPED_TRACE(::testing::Message() << s.m << 'x' << s.k << " times " << s.k << 'x' << s.n
                                      << ", flags " << flags << ", " << dtype);
    MatmulParams params{.trans_a = (flags & 1) != 0,
                        .trans_b = (flags & 2) != 0,
                        .accumulate = (flags & 4) != 0,
                        .relu = (flags & 16) != 0};
    const Tensor a = normal(params.trans_a ? Shape{s.k, s.m} : Shape{s.m, s.k}, dtype, 1);
    const Tensor b = normal(params.trans_b ? Shape{s.n, s.k} : Shape{s.k, s.n}, dtype, 2);
    const Tensor bias = normal({s.n}, result, 3), start = normal({s.m, s.n}, result, 4);
    const Tensor wide_a = a.to(DType::Float64), wide_b = b.to(DType::Float64);
    const Tensor wide_bias = bias.to(DType::Float64);
    Tensor want = Tensor::empty({s.m, s.n}, DType::Float64);
    want.copy_from(start);
    if (flags & 8) params.bias = wide_bias.view();
    cpu::matmul(wide_a.view(), wide_b.view(), want.view(), params);

    const Tensor device_a = upload(a), device_b = upload(b), device_bias = upload(bias);
    Tensor got =
        params.accumulate ? upload(start) : Tensor::empty({s.m, s.n}, result, Device::cuda(0));
    if (flags & 8) params.bias = device_bias.view();
    gpu::matmul(device_a.view(), device_b.view(), got.view(), params, stream());
    const Tensor host = got.to(Device::cpu()).to(DType::Float64);
    double scale = 1, worst = 0;
    for (int64_t i = 0; i < want.numel(); ++i) {
      const double difference = std::abs(host.data<double>()[i] - want.data<double>()[i]);
      worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
      scale = std::max(scale, std::abs(want.data<double>()[i]));
    }
    EXPECT_LE(worst, tolerance * scale);
  }
};

TEST_F(MatmulCuda, AsOnTheCpu) {
  for (const CudaSizes& s : kCudaSizes) {
    // Every pair of transpositions, bare and with the sum, the bias and the ReLU.
    for (const int flags : {0, 1, 2, 3, 28, 29, 30, 31}) {
      // Some hundred terms; bfloat16 rounds the result by 2^-9.
      check(s, flags, DType::Float32, DType::Float32, 2e-6);
      check(s, flags, DType::Float64, DType::Float64, 1e-14);
      check(s, flags, DType::BFloat16, DType::BFloat16, 4e-3);
      check(s, flags, DType::BFloat16, DType::Float32, 2e-6);
      check(s, flags, DType::Float16, DType::Float16, 5e-4);
      check(s, flags, DType::Float16, DType::Float32, 2e-6);
    }
    for (const int flags : {4, 8, 16}) check(s, flags, DType::Float32, DType::Float32, 2e-6);
  }
}

TEST_F(MatmulCuda, DoesNotDependOnBlockOrSchedule) {
  for_each_setting([] {
    check({60, 72, 700}, 2 | 8 | 16, DType::BFloat16, DType::Float32, 2e-6);
    check({60, 72, 700}, 1 | 4, DType::Float32, DType::Float32, 2e-6);
  });
}

TEST_F(MatmulCuda, RefusesWhatDoesNotFit) {
  const Tensor a = Tensor::zeros({2, 3}, DType::Float32, Device::cuda(0));
  Tensor c = Tensor::empty({2, 3}, DType::Float32, Device::cuda(0));
  EXPECT_THROW(gpu::matmul(a.view(), a.view(), c.view(), {}, stream()), Error);
}

}  // namespace
}  // namespace kestrel::test
