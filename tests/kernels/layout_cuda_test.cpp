#include <kestrel/kernels/layout.h>

#include "../support/cuda_twin.h"

namespace kestrel::test {
namespace {

using LayoutCuda = CudaTwin;

Tensor bytes(const Shape& shape, DType dtype) {
  Tensor tensor = Tensor::empty(shape, dtype);
  auto* p = static_cast<uint8_t*>(tensor.raw());
  for (size_t i = 0; i < tensor.bytes(); ++i) p[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
  return tensor;
}

TEST_F(LayoutCuda, AgreesWithTheCpuToTheBit) {
  const Shape shapes[] = {{0, 3, 4, 5},    {2, 0, 4, 5},   {1, 1, 1, 1},   {2, 1, 5, 7},
                          {2, 3, 1, 1},    {1, 3, 50, 67}, {2, 67, 3, 1},  {1, 2, 100, 101},
                          {3, 5, 3, 2},    {2, 37, 9, 7},  {1, 64, 16, 8}, {1, 33, 8, 4},
                          {1, 130, 11, 13}};
  for (const DType dtype : {DType::UInt8, DType::BFloat16, DType::Float32, DType::Int64}) {
    for (const Shape& shape : shapes) {
      SCOPED_TRACE(::testing::Message() << dtype << ' ' << shape);
      const Tensor source = bytes(shape, dtype);
      const Shape other{shape[0], shape[2], shape[3], shape[1]};
      Tensor want = Tensor::empty(other, dtype), got = Tensor::empty(other, dtype, Device::cuda(0));
      cpu::nchw_to_nhwc(source.view(), want.view());
      gpu::nchw_to_nhwc(upload(source).view(), got.view(), stream());
      expect_same_bits(got, want);
      Tensor back = Tensor::empty(shape, dtype, Device::cuda(0));
      gpu::nhwc_to_nchw(got.view(), back.view(), stream());
      expect_same_bits(back, source);
    }
  }
}

TEST_F(LayoutCuda, DoesNotDependOnBlockOrSchedule) {
  for (const Shape& shape : {Shape{2, 3, 37, 41}, Shape{1, 70, 9, 11}}) {
    const Tensor source = bytes(shape, DType::Float32);
    Tensor want = Tensor::empty({shape[0], shape[2], shape[3], shape[1]});
    cpu::nchw_to_nhwc(source.view(), want.view());
    for_each_setting([&] {
      Tensor got = Tensor::empty(want.shape(), want.dtype(), Device::cuda(0));
      gpu::nchw_to_nhwc(upload(source).view(), got.view(), stream());
      expect_same_bits(got, want);
    });
  }
}

TEST_F(LayoutCuda, RefusesWhatDoesNotFit) {
  Tensor a = Tensor::zeros({1, 2, 3, 4}, DType::Float32, Device::cuda(0));
  Tensor b = Tensor::zeros({1, 2, 3, 5}, DType::Float32, Device::cuda(0));
  EXPECT_THROW(gpu::nchw_to_nhwc(a.cview(), b.view(), stream()), Error);
  EXPECT_THROW(gpu::nhwc_to_nchw(a.reshape({24}).cview(), a.view(), stream()), Error);
}

}  // namespace
}  // namespace kestrel::test
