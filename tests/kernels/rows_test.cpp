#include <kestrel/kernels/rows.h>

#include <vector>

#include <gtest/gtest.h>

#include <kestrel/tensor/tensor.h>

namespace kestrel {
namespace {

TEST(Rows, ScatterAddsRowsWhoseSourcesFillSeveralTasks) {
  constexpr int64_t kCount = 40000, kRows = 5, kLength = 4;
  Tensor x = Tensor::empty({kCount, kLength}), indices = Tensor::empty({kCount}, DType::Int64);
  std::vector<float> want(kRows * kLength);
  for (int64_t i = 0; i < kCount; ++i) {
    const int64_t row = i % 7 == 0 ? 4 : i % 3 == 0 ? 2 : 0;  // 1 and 3 have none
    indices.data<int64_t>()[i] = row;
    for (int64_t c = 0; c < kLength; ++c) {
      const float value = 1.0f / static_cast<float>(1 + (i * kLength + c) % 1001);
      x.data<float>()[i * kLength + c] = value;
      want[static_cast<size_t>(row * kLength + c)] += value;
    }
  }
  Tensor got = Tensor::empty({kRows, kLength});
  cpu::scatter_add_rows(x.view(), indices.view(), got.view());
  EXPECT_EQ(std::vector<float>(got.data<float>(), got.data<float>() + kRows * kLength), want);
}

}  // namespace
}  // namespace kestrel
