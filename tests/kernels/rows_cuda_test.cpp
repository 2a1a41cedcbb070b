#include <algorithm>
#include <limits>

#include <kestrel/kernels/rows.h>
#include <kestrel/kernels/strided_copy.h>
#include <kestrel/tensor/random.h>

#include "../support/cuda_twin.h"
#include "../support/random.h"

namespace kestrel::test {
namespace {

using RowsCuda = CudaTwin;

Tensor random_indices(int64_t count, int64_t rows, uint64_t seed) {
  Tensor indices = Tensor::empty({count}, DType::Int64);
  Philox random(seed, 0);
  for (int64_t i = 0; i < count; ++i) {
    indices.data<int64_t>()[i] =
        std::min(rows - 1, static_cast<int64_t>(random.uniform() * static_cast<double>(rows)));
  }
  return indices;
}

TEST_F(RowsCuda, CopiesBlocksOfEveryAlignment) {
  const int64_t cases[][6] = {// from start, stride, to start, stride, count, length
                              {0, 16, 0, 32, 5, 16}, {0, 16, 4, 20, 5, 8}, {2, 6, 0, 10, 7, 6},
                              {1, 7, 3, 9, 11, 5},   {0, 8, 0, 8, 0, 8},   {0, 8, 0, 8, 3, 0},
                              {5, 1, 5, 1, 40, 1}};
  for (const DType dtype : {DType::UInt8, DType::BFloat16, DType::Float32, DType::Float64}) {
    for (const auto& c : cases) {
      const Tensor from = random_normal({200}, dtype);
      Tensor want = Tensor::zeros({200}, dtype), got = Tensor::zeros({200}, dtype, Device::cuda(0));
      Walk walk{.from_start = c[0], .to_start = c[2]};
      walk.add(c[4], c[1], c[3]);
      walk.add(c[5], 1, 1);
      cpu::strided_copy(from.view(), want.view(), walk);
      gpu::strided_copy(upload(from).view(), got.view(), walk, stream());
      expect_same_bits(got, want);
    }
  }
}

TEST_F(RowsCuda, GathersZerosForIndicesOutside) {
  const Tensor x = random_normal({3, 4});
  const Tensor indices =
      Tensor::from<int64_t>({2, -1, 0, 3, std::numeric_limits<int64_t>::max()}, {5});
  Tensor got = Tensor::empty({5, 4}, DType::Float32, Device::cuda(0));
  gpu::gather_rows(upload(x).view(), upload(indices).view(), got.view(), stream());
  Tensor want = Tensor::zeros({5, 4});
  want[0].copy_from(x[2]);
  want[2].copy_from(x[0]);
  expect_same_bits(got, want);
  EXPECT_THROW(cpu::gather_rows(x.view(), indices.view(), want.view()), Error);
}

TEST_F(RowsCuda, ScatterLeavesIndicesOutsideOut) {
  const Tensor x = random_normal({5, 4});
  const Tensor indices = Tensor::from<int64_t>({1, -1, 1, 3, 0}, {5});
  Tensor got = Tensor::empty({3, 4}, DType::Float32, Device::cuda(0));
  gpu::scatter_add_rows(upload(x).view(), upload(indices).view(), got.view(), stream());
  Tensor want = Tensor::zeros({3, 4});
  for (int64_t c = 0; c < 4; ++c) {
    want.data<float>()[c] = x.values<float>()[static_cast<size_t>(16 + c)];
    want.data<float>()[4 + c] =
        x.values<float>()[static_cast<size_t>(c)] + x.values<float>()[static_cast<size_t>(8 + c)];
  }
  expect_same_bits(got, want);
}

TEST_F(RowsCuda, ScatterAddsInTheCpusOrderToTheBit) {
  struct Case {
    int64_t count, rows, length;
  };
  // Up to 4096 keys are sorted by one block, more by several.
  for (const Case& c : {Case{0, 5, 3}, Case{7, 1, 3}, Case{300, 10, 4}, Case{1000, 700, 1},
                        Case{4500, 2000, 3}, Case{4200, 3, 1}, Case{20, 4, 0}}) {
    for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16}) {
      SCOPED_TRACE(::testing::Message() << c.count << ' ' << c.rows << ' ' << c.length << dtype);
      const Tensor x = random_normal({c.count, c.length}, dtype);
      const Tensor indices = random_indices(c.count, c.rows, 5);
      Tensor want = Tensor::empty({c.rows, c.length}, dtype);
      Tensor got = Tensor::empty({c.rows, c.length}, dtype, Device::cuda(0));
      cpu::scatter_add_rows(x.view(), indices.view(), want.view());
      gpu::scatter_add_rows(upload(x).view(), upload(indices).view(), got.view(), stream());
      expect_same_bits(got, want);
    }
  }
}

TEST_F(RowsCuda, DoesNotDependOnBlockOrSchedule) {
  const Tensor x = random_normal({600, 5}), indices = random_indices(600, 50, 9);
  Tensor sums = Tensor::empty({50, 5});
  cpu::scatter_add_rows(x.view(), indices.view(), sums.view());
  Tensor rows = Tensor::empty({600, 5});
  cpu::gather_rows(x.view(), indices.view(), rows.view());
  for_each_setting([&] {
    const Tensor device_x = upload(x), device_indices = upload(indices);
    Tensor got = Tensor::empty({50, 5}, DType::Float32, Device::cuda(0));
    gpu::scatter_add_rows(device_x.view(), device_indices.view(), got.view(), stream());
    expect_same_bits(got, sums);
    Tensor gathered = Tensor::empty({600, 5}, DType::Float32, Device::cuda(0));
    gpu::gather_rows(device_x.view(), device_indices.view(), gathered.view(), stream());
    expect_same_bits(gathered, rows);
  });
}

}  // namespace
}  // namespace kestrel::test
