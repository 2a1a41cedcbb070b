#include <cmath>

#include <kestrel/tensor/random.h>

#include "../support/cuda_twin.h"

namespace kestrel::test {
namespace {

class RandomCuda : public CudaTwin {
 protected:
  /// A tensor filled on a device, from the middle of a counter's words on.
  template <class F>
  static Tensor filled(F fill, int64_t n, DType dtype, Device device) {
    Philox random(5, 6, uint64_t{7} << 40);
    random.next();
    Tensor values = Tensor::empty({n}, dtype, device);
    fill(values, -3, 2, random);
    EXPECT_EQ(random.next(), [&] {
      Philox same(5, 6, uint64_t{7} << 40);
      same.skip(1 + n * (fill == fill_normal ? kWordsOfNormal : kWordsOfUniform));
      return same.next();
    }());
    return values.to(Device::cpu());
  }
};

TEST_F(RandomCuda, UniformNumbersAreTheCpusToTheBit) {
  for_each_setting([] {
    for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16}) {
      for (const int64_t n : {0, 1, 1000}) {
        expect_same_bits(filled(fill_uniform, n, dtype, Device::cuda(0)),
                         filled(fill_uniform, n, dtype, Device::cpu()));
      }
    }
  });
}

TEST_F(RandomCuda, NormalNumbersAreTheCpus) {
  for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16}) {
    const Tensor got = filled(fill_normal, 5000, dtype, Device::cuda(0)).to(DType::Float64);
    const Tensor want = filled(fill_normal, 5000, dtype, Device::cpu()).to(DType::Float64);
    // The cosines and logarithms of two libraries: one rounding of the type apart at most.
    const double ulp = dtype == DType::Float64 ? 1e-15 : dtype == DType::Float32 ? 1.2e-7 : 7.9e-3;
    for (int64_t i = 0; i < 5000; ++i) {
      const double value = want.data<double>()[i];
      ASSERT_NEAR(got.data<double>()[i], value, ulp * std::max(1.0, std::abs(value))) << i;
    }
  }
}

}  // namespace
}  // namespace kestrel::test
