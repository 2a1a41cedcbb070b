#include <cmath>
#include <limits>

#include <kestrel/kernels/copy.h>
#include <kestrel/tensor/random.h>

#include "../support/cuda_twin.h"

namespace kestrel::test {
namespace {

constexpr DType kAll[] = {DType::Float32, DType::Float64, DType::BFloat16, DType::Float16,
                          DType::Int64,   DType::Int32,   DType::UInt8,    DType::Bool};

using CopyCuda = CudaTwin;

/// Values that every dtype has: 0 to 200, some with a fraction.
Tensor numbers(int64_t n, DType dtype) {
  Tensor values = Tensor::empty({n}, DType::Float64);
  for (int64_t i = 0; i < n; ++i) {
    values.data<double>()[i] = i % 7 == 0 ? 0 : static_cast<double>(i * 37 % 801) / 4;
  }
  return values.to(dtype);
}

TEST_F(CopyCuda, ConvertsEveryDtypeIntoEveryOther) {
  for (const DType from : kAll) {
    for (const DType to : kAll) {
      for (const int64_t n : {0, 1, 31, 4096}) {
        for (const int64_t shift : {0, 1}) {
          SCOPED_TRACE(::testing::Message() << from << " to " << to << ", " << n << ", " << shift);
          const Tensor source = numbers(n, from);
          Tensor want = Tensor::empty({n}, to);
          cpu::convert(source.view(), want.view());
          const Tensor device = upload(source, shift);
          Tensor got = Tensor::empty({n}, to, Device::cuda(0));
          gpu::convert(device.view(), got.view(), stream());
          expect_same_bits(got, want);
        }
      }
    }
  }
}

TEST_F(CopyCuda, ConvertsAllHalves) {
  Tensor halves = Tensor::empty({1 << 16}, DType::Float16);
  for (uint32_t i = 0; i < 1u << 16; ++i) {
    halves.data<float16>()[i].bits = static_cast<uint16_t>(i);
  }
  Tensor want = Tensor::empty({1 << 16}),
         got = Tensor::empty({1 << 16}, want.dtype(), Device::cuda(0));
  cpu::convert(halves.view(), want.view());
  gpu::convert(upload(halves).view(), got.view(), stream());
  expect_same_bits(got, want);
  Tensor back = Tensor::empty({1 << 16}, DType::Float16, Device::cuda(0));
  Tensor back_want = Tensor::empty({1 << 16}, DType::Float16);
  cpu::convert(want.view(), back_want.view());
  gpu::convert(got.view(), back.view(), stream());
  expect_same_bits(back, back_want);
}

TEST_F(CopyCuda, RoundsFloatsOfEverySize) {
  Tensor floats = Tensor::empty({1 << 14});
  Philox random(3, 0);
  for (float& x : std::span(floats.data<float>(), 1 << 14)) {
    x = static_cast<float>(random.normal() * std::exp2(random.uniform(-30, 20)));
  }
  floats.data<float>()[0] = std::numeric_limits<float>::infinity();
  floats.data<float>()[1] = -std::numeric_limits<float>::quiet_NaN();
  for (const DType dtype : {DType::Float16, DType::BFloat16, DType::Float64, DType::Bool}) {
    Tensor want = Tensor::empty({1 << 14}, dtype);
    Tensor got = Tensor::empty({1 << 14}, dtype, Device::cuda(0));
    cpu::convert(floats.view(), want.view());
    gpu::convert(upload(floats).view(), got.view(), stream());
    expect_same_bits(got, want);
  }
}

TEST_F(CopyCuda, FillsEveryDtype) {
  for (const DType dtype : kAll) {
    for (const int64_t n : {0, 1, 31, 4096}) {
      for (const int64_t shift : {0, 3}) {
        SCOPED_TRACE(::testing::Message() << dtype << ", " << n << ", " << shift);
        Tensor want = Tensor::empty({n}, dtype), got = upload(Tensor::zeros({n}, dtype), shift);
        cpu::fill(want.view(), 3.75);
        gpu::fill(got.view(), 3.75, stream());
        expect_same_bits(got, want);
      }
    }
  }
}

TEST_F(CopyCuda, DoesNotDependOnTheBlock) {
  const Tensor source = numbers(70001, DType::Float32);
  Tensor want = Tensor::empty({70001}, DType::BFloat16);
  cpu::convert(source.view(), want.view());
  const Tensor device = upload(source);
  for_each_setting([&] {
    Tensor got = Tensor::empty({70001}, DType::BFloat16, Device::cuda(0));
    gpu::convert(device.view(), got.view(), stream());
    expect_same_bits(got, want);
  });
}

}  // namespace
}  // namespace kestrel::test
