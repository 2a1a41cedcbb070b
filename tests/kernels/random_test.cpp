#include <gtest/gtest.h>

#include <kestrel/kernels/common/random_numbers.h>
#include <kestrel/tensor/tensor.h>

namespace kestrel {
namespace {

/// Numbers one by one, as the contract counts their words.
template <class Numbers>
void expect_numbers(const Tensor& got, const Numbers& numbers, const PhiloxPlace& place) {
  for (int64_t i = 0; i < got.numel(); ++i) {
    const auto first = static_cast<uint64_t>(i * Numbers::kWords);
    ASSERT_EQ(got.data<double>()[i], numbers(words_at<Numbers::kWords>(place, first))) << i;
  }
}

TEST(Random, FollowsTheWordsFromAnyPlaceOn) {
  // More than one task; the first number of the counter begins again at 0 within them.
  Tensor values = Tensor::empty({9001}, DType::Float64);
  for (int used = 0; used < 4; ++used) {
    SCOPED_TRACE(used);
    const PhiloxPlace place{{1, 2}, {0xFFFFFF00u, 4, 5, 6}, used};
    cpu::fill_uniform(values.view(), -3, 2, place);
    expect_numbers(values, UniformNumbers{-3, 2}, place);
    cpu::fill_normal(values.view(), 1, 2, place);
    expect_numbers(values, NormalNumbers{1, 2}, place);
  }
}

}  // namespace
}  // namespace kestrel
