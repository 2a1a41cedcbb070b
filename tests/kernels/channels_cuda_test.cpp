#include <cmath>

#include <kestrel/kernels/batch_norm.h>
#include <kestrel/kernels/channels.h>
#include <kestrel/kernels/group_norm.h>

#include "../support/cuda_twin.h"
#include "../support/random.h"

namespace kestrel::test {
namespace {

using ChannelsCuda = CudaTwin;

void expect_all_near(const Tensor& got, const Tensor& want, double tolerance) {
  const Tensor a = got.to(Device::cpu()).to(DType::Float64), b = want.to(DType::Float64);
  ASSERT_EQ(a.shape(), b.shape());
  for (int64_t i = 0; i < a.numel(); ++i) {
    const auto at = static_cast<size_t>(i);
    ASSERT_NEAR(a.values<double>()[at], b.values<double>()[at],
                tolerance * (1 + std::abs(b.values<double>()[at])))
        << "at " << i;
  }
}

struct ChannelsCase {
  Shape shape;
  int64_t shift;  // of the map, off the address of a pack
};
// No rows; one; few and many channels, packs or not; rows of several chunks, tiles side by side.
const ChannelsCase kCases[] = {{{0, 5}, 0},     {{3, 0}, 0},    {{1, 1}, 0},
                               {{7, 3}, 0},     {{5000, 1}, 0}, {{4001, 8}, 0},
                               {{4001, 8}, 1},  {{90, 136}, 0}, {{21, 1032}, 0},
                               {{21, 1032}, 1}, {{33, 777}, 0}, {{2, 3, 50, 64}, 0}};

TEST_F(ChannelsCuda, AddsLikeTheCpuToTheBit) {
  for (const ChannelsCase& c : kCases) {
    for (const auto& [dtype, values] : {std::pair{DType::Float32, DType::Float32},
                                        {DType::Float64, DType::Float64},
                                        {DType::BFloat16, DType::Float32},
                                        {DType::BFloat16, DType::BFloat16}}) {
      SCOPED_TRACE(::testing::Message() << c.shape << dtype << values << c.shift);
      Tensor map = random_normal(c.shape, dtype, 1, 0), got = upload(map, c.shift);
      const Tensor channels = random_normal({c.shape[-1]}, values, 2, 0);
      gpu::add_channels(got.cview(), upload(channels).view(), got.view(), stream());
      cpu::add_channels(map.cview(), channels.view(), map.view());
      expect_same_bits(got, map);
    }
  }
}

TEST_F(ChannelsCuda, Sums) {
  for (const ChannelsCase& c : kCases) {
    for (const auto& [dtype, values] : {std::pair{DType::Float32, DType::Float32},
                                        {DType::Float64, DType::Float64},
                                        {DType::BFloat16, DType::Float32},
                                        {DType::BFloat16, DType::BFloat16}}) {
      SCOPED_TRACE(::testing::Message() << c.shape << dtype << values << c.shift);
      const Tensor map = random_normal(c.shape, dtype, 1, 0.5), device = upload(map, c.shift);
      Tensor want = Tensor::empty({c.shape[-1]}, values);
      Tensor got = Tensor::empty(want.shape(), values, Device::cuda(0));
      cpu::sum_channels(map.view(), want.view());
      gpu::sum_channels(device.view(), got.view(), stream());
      // The CPU adds up to 65,536 floats in a row, a GPU a few.
      expect_all_near(got, want,
                      values == DType::BFloat16 ? 1e-2
                      : dtype == DType::Float64 ? 1e-12
                                                : 1e-4);
    }
  }
}

/// Mean and biased variance per channel, in two passes in double.
std::pair<Tensor, Tensor> exact_statistics(const Tensor& x) {
  const int64_t channels = x.size(-1);
  const int64_t rows = channels ? x.numel() / channels : 0;
  Tensor mean = Tensor::zeros({channels}, DType::Float64), variance = mean.clone();
  const Tensor values = x.to(DType::Float64);
  const double* v = values.data<double>();
  double* m = mean.data<double>();
  const double share = 1 / static_cast<double>(std::max<int64_t>(1, rows));
  for (int64_t i = 0; i < x.numel(); ++i) m[i % channels] += v[i] * share;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double distance = v[i] - m[i % channels];
    variance.data<double>()[i % channels] += distance * distance * share;
  }
  return {mean, variance};
}

TEST_F(ChannelsCuda, StatisticsAreSoundFarFromZero) {
  for (const ChannelsCase& c : kCases) {
    for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16}) {
      SCOPED_TRACE(::testing::Message() << c.shape << dtype << c.shift);
      const DType values = dtype == DType::Float64 ? dtype : DType::Float32;
      const Tensor x = random_normal(c.shape, dtype, 1, 1000), device = upload(x, c.shift);
      const auto [mean, variance] = exact_statistics(x);
      Tensor got_mean = Tensor::empty({c.shape[-1]}, values, Device::cuda(0));
      Tensor got_variance = Tensor::empty({c.shape[-1]}, values, Device::cuda(0));
      gpu::batch_norm_statistics(device.view(), got_mean.view(), got_variance.view(), stream());
      // A float's mean near 1000 is rounded to 6e-5, by which the variance is off; squares of the
      // values would be off by 0.06.
      expect_all_near(got_mean, mean, dtype == DType::Float64 ? 1e-13 : 1e-7);
      expect_all_near(got_variance, variance, dtype == DType::Float64 ? 1e-12 : 1e-4);
    }
  }
}

TEST_F(ChannelsCuda, ConstantChannelsHaveNoVariance) {
  const Tensor x = Tensor::full({3000, 12}, 1000.1);
  Tensor mean = Tensor::empty({12}, DType::Float32, Device::cuda(0));
  Tensor variance = Tensor::empty({12}, DType::Float32, Device::cuda(0));
  gpu::batch_norm_statistics(upload(x).view(), mean.view(), variance.view(), stream());
  expect_same_bits(variance, Tensor::zeros({12}));
  expect_same_bits(mean, Tensor::full({12}, 1000.1));
}

TEST_F(ChannelsCuda, UpdatesRunningStatistics) {
  for (const int64_t count : {0, 1, 2, 1000}) {
    for (const DType dtype : {DType::Float32, DType::Float64}) {
      const Tensor mean = random_normal({70}, dtype, 3, 0),
                   variance = random_normal({70}, dtype, 4, 5);
      Tensor running = random_normal({70}, dtype, 5, 1),
             running_var = random_normal({70}, dtype, 6, 6);
      Tensor got = upload(running), got_var = upload(running_var);
      const Tensor device_mean = upload(mean), device_variance = upload(variance);
      cpu::batch_norm_update(mean.view(), variance.view(), count, 0.1, running.view(),
                             running_var.view());
      gpu::batch_norm_update(device_mean.view(), device_variance.view(), count, 0.1, got.view(),
                             got_var.view(), stream());
      gpu::batch_norm_update(device_mean.view(), device_variance.view(), count, 0.1, {}, {},
                             stream());
      expect_all_near(got, running, 1e-7);
      expect_all_near(got_var, running_var, 1e-7);
    }
  }
}

TEST_F(ChannelsCuda, NormalisesMapsOffTheAddressOfAPack) {
  const int64_t channels = 24;
  const Tensor x = random_normal({2, 37, channels}, DType::BFloat16, 1, 3);
  const Tensor weight = random_normal({channels}, DType::Float32, 2, 1);
  const Tensor statistic = Tensor::full({2, 3}, 1.5);
  for (const int64_t shift : {0, 1, 4}) {
    const GroupNormParams params{.groups = 3, .relu = true};
    Tensor y = Tensor::empty(x.shape(), x.dtype());
    Tensor mean = statistic.clone(), rstd = statistic.clone();
    cpu::group_norm_forward(x.view(), weight.view(), {}, y.view(), mean.view(), rstd.view(),
                            params);
    Tensor got = upload(y), got_mean = upload(mean), got_rstd = upload(rstd);
    gpu::group_norm_forward(upload(x, shift).view(), upload(weight, shift).view(), {}, got.view(),
                            got_mean.view(), got_rstd.view(), params, stream());
    expect_all_near(got_mean, mean, 1e-5);
    expect_all_near(got_rstd, rstd, 1e-5);
    expect_all_near(got, y, 1e-2);
  }
}

TEST_F(ChannelsCuda, SumsDependNeitherOnBlockNorSchedule) {
  const Tensor map = random_normal({1200, 40}, DType::Float32, 1, 0.5);
  Tensor first;
  for_each_setting([&] {
    Tensor sums = Tensor::empty({3, 40}, DType::Float32, Device::cuda(0));
    Tensor total = sums[0], mean = sums[1], variance = sums[2];
    const Tensor device = upload(map);
    gpu::sum_channels(device.view(), total.view(), stream());
    gpu::batch_norm_statistics(device.view(), mean.view(), variance.view(), stream());
    const Tensor got = sums.to(Device::cpu());
    if (first) expect_same_bits(got, first);
    first = got;
  });
}

}  // namespace
}  // namespace kestrel::test
