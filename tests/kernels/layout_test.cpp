#include <kestrel/kernels/layout.h>

#include <cstring>

#include <gtest/gtest.h>

#include <kestrel/tensor/tensor.h>

namespace kestrel {
namespace {

Tensor distinct_bytes(const Shape& shape, DType dtype) {
  Tensor tensor = Tensor::empty(shape, dtype);
  auto* p = static_cast<uint8_t*>(tensor.raw());
  for (size_t i = 0; i < tensor.bytes(); ++i) p[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
  return tensor;
}

TEST(Layout, EveryElementGoesWhereItBelongs) {
  const Shape shapes[] = {{0, 3, 4, 5},  {2, 0, 4, 5},    {1, 1, 1, 1},   {2, 3, 70, 61},
                          {1, 70, 3, 1}, {3, 67, 13, 11}, {1, 64, 16, 8}, {2, 130, 9, 15}};
  for (const DType dtype : {DType::UInt8, DType::BFloat16, DType::Float32, DType::Int64}) {
    for (const Shape& s : shapes) {
      SCOPED_TRACE(::testing::Message() << dtype << ' ' << s);
      const Tensor nchw = distinct_bytes(s, dtype);
      Tensor nhwc = Tensor::empty({s[0], s[2], s[3], s[1]}, dtype);
      Tensor back = Tensor::empty(s, dtype);
      cpu::nchw_to_nhwc(nchw.view(), nhwc.view());
      cpu::nhwc_to_nchw(nhwc.view(), back.view());
      const auto element = static_cast<size_t>(size_of(dtype));
      const auto* from = static_cast<const std::byte*>(nchw.raw());
      const auto* to = static_cast<const std::byte*>(nhwc.raw());
      const int64_t channels = s[1], pixels = s[2] * s[3];
      int64_t wrong = 0;
      for (int64_t i = 0; i < nchw.numel(); ++i) {
        const int64_t n = i / (channels * pixels), c = i / pixels % channels, p = i % pixels;
        const auto at = static_cast<size_t>((n * pixels + p) * channels + c);
        wrong +=
            std::memcmp(from + static_cast<size_t>(i) * element, to + at * element, element) != 0;
      }
      EXPECT_EQ(wrong, 0);
      if (nchw.bytes() > 0) {
        EXPECT_EQ(std::memcmp(back.raw(), nchw.raw(), nchw.bytes()), 0);
      }
    }
  }
}

}  // namespace
}  // namespace kestrel
