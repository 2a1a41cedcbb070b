#include <kestrel/kernels/image_normalize.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include <kestrel/data/transforms/sample.h>

#include "../support/cuda_twin.h"

namespace kestrel::test {
namespace {

const ImageNormalizeParams kImageNet{.mean = {123.675f, 116.28f, 103.53f},
                                     .std = {58.395f, 57.12f, 57.375f}};
const ImageNormalizeParams kCaffe{
    .mean = {103.53f, 116.28f, 123.675f}, .swap = true, .pad_value = 7};

Tensor pictures(const Shape& shape) {
  Tensor x = Tensor::empty(shape, DType::UInt8);
  for (int64_t i = 0; i < x.numel(); ++i)
    x.data<uint8_t>()[i] = static_cast<uint8_t>(i * 131 + i / 7);
  return x;
}

Tensor normalized(const Tensor& x, const Shape& shape, const ImageNormalizeParams& params,
                  DType dtype = DType::Float32) {
  Tensor y = Tensor::empty(shape, dtype);
  cpu::image_normalize(x.view(), y.view(), params);
  return y;
}

/// What a training sample would write.
TEST(ImageNormalize, IsTheTransformsNormalizeAndPad) {
  for (const bool swap : {false, true}) {
    const Tensor x = pictures({37, 45, 3});
    Image image(37, 45);
    std::copy_n(x.data<uint8_t>(), x.numel(), image.pixels.data());
    Sample sample(image);
    sample.normalize({kImageNet.mean, kImageNet.std, swap});
    Tensor want = Tensor::empty({64, 48, 3});
    sample.write(want.data<float>(), 64, 48);
    ImageNormalizeParams params = kImageNet;
    params.swap = swap;
    const Tensor got = normalized(x, {64, 48, 3}, params);
    EXPECT_EQ(std::memcmp(got.raw(), want.raw(), got.bytes()), 0);
  }
}

TEST(ImageNormalize, PadsEveryPictureOfABatch) {
  const Tensor x = pictures({2, 3, 4, 3});
  const Tensor y = normalized(x, {2, 5, 6, 3}, kCaffe);
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t i = 0; i < 5; ++i) {
      for (int64_t j = 0; j < 6; ++j) {
        for (int64_t c = 0; c < 3; ++c) {
          const float got = y.data<float>()[((n * 5 + i) * 6 + j) * 3 + c];
          const bool inside = i < 3 && j < 4;
          const auto byte =
              inside ? x.data<uint8_t>()[((n * 3 + i) * 4 + j) * 3 + 2 - c] : uint8_t{0};
          EXPECT_EQ(got, inside ? static_cast<float>(byte) - kCaffe.mean[size_t(c)] : 7.0f);
        }
      }
    }
  }
}

TEST(ImageNormalize, RoundsOnceForOtherTypes) {
  const Tensor x = pictures({2, 5, 7, 3});
  const Tensor wide = normalized(x, {2, 8, 8, 3}, kImageNet);
  const Tensor narrow = normalized(x, {2, 8, 8, 3}, kImageNet, DType::BFloat16);
  const Tensor want = wide.to(DType::BFloat16);
  EXPECT_EQ(std::memcmp(narrow.raw(), want.raw(), want.bytes()), 0);
}

TEST(ImageNormalize, OfNothing) {
  EXPECT_EQ(normalized(pictures({0, 3, 4, 3}), {0, 3, 4, 3}, kImageNet).numel(), 0);
  const Tensor y = normalized(pictures({1, 0, 4, 3}), {1, 2, 4, 3}, kCaffe);
  for (const float v : y.values<float>()) EXPECT_EQ(v, 7);
}

TEST(ImageNormalize, RefusesWhatDoesNotFit) {
  const Tensor x = pictures({2, 3, 4, 3});
  EXPECT_THROW(normalized(x, {2, 2, 4, 3}, {}), Error);
  EXPECT_THROW(normalized(x, {2, 3, 3, 3}, {}), Error);
  EXPECT_THROW(normalized(x, {1, 3, 4, 3}, {}), Error);
  EXPECT_THROW(normalized(x, {3, 4, 3}, {}), Error);
  EXPECT_THROW(normalized(x.to(DType::Float32), {2, 3, 4, 3}, {}), Error);
  EXPECT_THROW(normalized(pictures({2, 3, 4}), {2, 3, 4}, {}), Error);
  EXPECT_THROW(normalized(x, {2, 3, 4, 3}, {.std = {1, 0, 1}}), Error);
  EXPECT_THROW(normalized(x, {2, 3, 4, 3}, {.mean = {1, std::nanf(""), 1}}), Error);
}

class ImageNormalizeCuda : public CudaTwin {
 protected:
  static void expect_same(const Shape& from, const Shape& to, DType dtype, int64_t shift) {
    for (const ImageNormalizeParams& params : {kImageNet, kCaffe}) {
      const Tensor x = pictures(from), cuda_x = upload(x, shift);
      Tensor y = Tensor::empty(to, dtype, Device::cuda(0));
      gpu::image_normalize(cuda_x.view(), y.view(), params, stream());
      expect_same_bits(y, normalized(x, to, params, dtype));
    }
  }
};

TEST_F(ImageNormalizeCuda, AgreesWithTheCpuToTheBit) {
  for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16}) {
    for (const int64_t shift : {0, 1}) {
      expect_same({2, 13, 19, 3}, {2, 32, 32, 3}, dtype, shift);
      expect_same({9, 100, 3}, {9, 100, 3}, dtype, shift);
      expect_same({0, 3, 4, 3}, {0, 5, 4, 3}, dtype, shift);
      expect_same({1, 0, 4, 3}, {1, 2, 5, 3}, dtype, shift);
    }
  }
}

TEST_F(ImageNormalizeCuda, DoesNotDependOnBlockOrSchedule) {
  for_each_setting([] { expect_same({2, 5, 30, 3}, {2, 8, 32, 3}, DType::Float32, 0); });
}

}  // namespace
}  // namespace kestrel::test
