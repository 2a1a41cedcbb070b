#include <kestrel/tensor/tensor.h>

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include <kestrel/kernels/copy.h>

namespace kestrel {
namespace {

TEST(Tensor, UndefinedStandsForNone) {
  const Tensor none;
  EXPECT_FALSE(none.defined());
  EXPECT_FALSE(none.view());
  EXPECT_FALSE(none.clone().defined());
  EXPECT_FALSE(none.to(DType::Float64).defined());
  EXPECT_FALSE(none.to(Device::cpu()).defined());
}

TEST(Tensor, FromTakesValuesInRowMajorOrder) {
  const Tensor t = Tensor::from({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {2, 3});
  EXPECT_EQ(t.dtype(), DType::Float32);
  EXPECT_EQ(t[1].values<float>()[2], 6.f);
  EXPECT_THROW(Tensor::from({1.f, 2.f}, {3}), Error);
}

TEST(Tensor, ScalarsAndEmptyTensorsAreLegal) {
  const Tensor scalar = Tensor::full({}, 2.5);
  EXPECT_EQ(scalar.numel(), 1);
  EXPECT_EQ(scalar.item<double>(), 2.5);
  const Tensor empty = Tensor::zeros({0, 3});
  EXPECT_TRUE(empty.defined());
  EXPECT_EQ(empty.numel(), 0);
  EXPECT_TRUE(empty.clone().defined());
  EXPECT_THROW(empty.item<float>(), Error);
}

TEST(Tensor, NegativeAndOverflowingShapesThrow) {
  EXPECT_THROW(Tensor::empty({2, -1}), Error);
  EXPECT_THROW(Tensor::empty({int64_t{1} << 40, int64_t{1} << 40}), Error);
  EXPECT_THROW(Tensor::empty({1, 1, 1, 1, 1, 1, 1}), Error);
}

TEST(Tensor, ReshapeSharesMemory) {
  const Tensor t = Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3});
  Tensor r = t.reshape({3, -1});
  EXPECT_EQ(r.shape(), (Shape{3, 2}));
  EXPECT_TRUE(r.shares_memory_with(t));
  r.data<int32_t>()[0] = 9;
  EXPECT_EQ(t.values<int32_t>()[0], 9);
  EXPECT_THROW(t.reshape({4, -1}), Error);
  EXPECT_THROW(t.reshape({-1, -1}), Error);
  EXPECT_THROW(t.reshape({5}), Error);
  EXPECT_THROW(Tensor::zeros({0}).reshape({0, -1}), Error);
}

TEST(Tensor, SliceAndIndexShareMemory) {
  Tensor t = Tensor::from({0, 1, 2, 3, 4, 5, 6, 7}, {4, 2});
  Tensor rows = t.slice(1, 3);
  EXPECT_EQ(rows.shape(), (Shape{2, 2}));
  EXPECT_EQ(rows.values<int32_t>()[0], 2);
  EXPECT_EQ(rows[1].shape(), (Shape{2}));
  EXPECT_EQ(rows[1].values<int32_t>()[1], 5);
  rows.fill(-1);
  EXPECT_EQ(t.values<int32_t>()[1], 1);
  EXPECT_EQ(t.values<int32_t>()[5], -1);
  EXPECT_EQ(t.values<int32_t>()[6], 6);
  EXPECT_EQ(t.slice(4, 4).numel(), 0);
  EXPECT_THROW(t.slice(-1, 2), Error);
  EXPECT_THROW(t.slice(3, 2), Error);
  EXPECT_THROW(t.slice(0, 5), Error);
  EXPECT_THROW(Tensor::zeros({}).slice(0, 1), Error);
}

TEST(Tensor, UniqueSeesCopiesAndViews) {
  Tensor t = Tensor::zeros({4});
  EXPECT_TRUE(t.unique());
  {
    const Tensor view = t.slice(0, 2);
    EXPECT_FALSE(t.unique());
  }
  EXPECT_TRUE(t.unique());
  EXPECT_TRUE(t.clone().unique());
}

TEST(Tensor, ReadingAsAnotherTypeThrows) {
  Tensor t = Tensor::zeros({2});
  EXPECT_THROW(t.data<double>(), Error);
  EXPECT_THROW(t.view().as<int32_t>(), Error);
}

TEST(Tensor, CopyFromConvertsAndChecksShapes) {
  Tensor t = Tensor::zeros({3}, DType::Int64);
  t.copy_from(Tensor::from({1.9f, -1.9f, 3.f}, {3}));
  EXPECT_EQ(t.values<int64_t>()[0], 1);
  EXPECT_EQ(t.values<int64_t>()[1], -1);
  EXPECT_THROW(t.copy_from(Tensor::zeros({4})), Error);
}

TEST(Tensor, WrapKeepsTheOwnerAlive) {
  auto owner = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3});
  const std::weak_ptr<std::vector<float>> watch = owner;
  Tensor t = Tensor::wrap(owner->data(), {3}, DType::Float32, owner);
  owner.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(t.values<float>()[2], 3.f);
  t = Tensor();
  EXPECT_TRUE(watch.expired());
}

TEST(Tensor, FillReachesEveryDtype) {
  for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16, DType::Float16,
                            DType::Int64, DType::Int32, DType::UInt8, DType::Bool}) {
    const Tensor t = Tensor::full({70001}, 1, dtype);
    EXPECT_EQ(t.slice(70000, 70001).item<double>(), 1) << dtype;
    const Tensor back = t.to(DType::Float64);
    double total = 0;
    for (const double v : back.values<double>()) total += v;
    EXPECT_EQ(total, 70001) << dtype;
  }
}

/// Every value that 16 bits can name, as a tensor of T.
template <class T>
Tensor all_values() {
  Tensor t = Tensor::empty({65536}, dtype_of<T>);
  for (int64_t i = 0; i < 65536; ++i) t.data<T>()[i].bits = static_cast<uint16_t>(i);
  return t;
}

template <class T>
void expect_round_trip() {
  const Tensor all = all_values<T>();
  for (const DType wide : {DType::Float32, DType::Float64}) {
    const Tensor back = all.to(wide).to(dtype_of<T>);
    for (int64_t i = 0; i < 65536; ++i) {
      const T before = all.values<T>()[static_cast<size_t>(i)];
      const T after = back.values<T>()[static_cast<size_t>(i)];
      if (std::isnan(static_cast<float>(before))) {
        EXPECT_TRUE(std::isnan(static_cast<float>(after))) << i;
        EXPECT_EQ(before.bits & 0x8000, after.bits & 0x8000) << i;
      } else {
        EXPECT_EQ(before.bits, after.bits) << i;
      }
    }
  }
}

TEST(Conversion, EveryBfloat16SurvivesTheRoundTrip) {
  expect_round_trip<bfloat16>();
}

TEST(Conversion, EveryFloat16SurvivesTheRoundTrip) {
  expect_round_trip<float16>();
}

/// A float between every two neighbouring values of T rounds to the nearer, ties to even bits.
template <class T>
void expect_nearest_even(uint16_t largest_finite) {
  for (uint16_t bits = 0; bits < largest_finite; ++bits) {
    T low, high;
    low.bits = bits;
    high.bits = static_cast<uint16_t>(bits + 1);
    const float a = low, b = high;
    const float middle = static_cast<float>((static_cast<double>(a) + static_cast<double>(b)) / 2);
    const uint16_t even = bits % 2 == 0 ? low.bits : high.bits;
    EXPECT_EQ(T(middle).bits, even) << bits;
    EXPECT_EQ(T(std::nextafter(middle, a)).bits, low.bits) << bits;
    EXPECT_EQ(T(std::nextafter(middle, b)).bits, high.bits) << bits;
    EXPECT_EQ(T(-middle).bits, even | 0x8000) << bits;
  }
}

TEST(Conversion, RoundsToNearestEven) {
  expect_nearest_even<float16>(0x7bff);
  // Bfloat16's middles below the smallest normal float are themselves exact floats.
  expect_nearest_even<bfloat16>(0x7f7f);
}

TEST(Conversion, OverflowsToInfinity) {
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(static_cast<float>(float16(65504.f)), 65504.f);
  EXPECT_EQ(static_cast<float>(float16(65519.f)), 65504.f);
  EXPECT_EQ(static_cast<float>(float16(65520.f)), inf);
  EXPECT_EQ(static_cast<float>(float16(-1e30f)), -inf);
  EXPECT_EQ(static_cast<float>(bfloat16(std::numeric_limits<float>::max())), inf);
}

TEST(Conversion, ToBoolIsNotZero) {
  const Tensor t = Tensor::from({0.f, -0.f, 0.5f, -3.f}, {4}).to(DType::Bool);
  const bool want[] = {false, false, true, true};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(t.values<bool>()[i], want[i]);
}

TEST(Conversion, OfLargeIntegersIsExact) {
  const Tensor t = Tensor::from({(int64_t{1} << 53) - 1, -(int64_t{1} << 40)}, {2});
  const Tensor back = t.to(DType::Float64).to(DType::Int64);
  EXPECT_EQ(back.values<int64_t>()[0], (int64_t{1} << 53) - 1);
  EXPECT_EQ(back.values<int64_t>()[1], -(int64_t{1} << 40));
}

TEST(Conversion, SizesMustAgree) {
  Tensor a = Tensor::zeros({3}), b = Tensor::zeros({4});
  EXPECT_THROW(cpu::convert(a.cview(), b.view()), Error);
}

TEST(TensorCuda, AHostSideMayBeReusedAsSoonAsItIsCopied) {
  if (Device::cuda_count() == 0) GTEST_SKIP() << "no CUDA device";
  std::vector<Tensor> copies;
  Tensor host = Tensor::empty({1000, 7});
  for (int i = 0; i < 20; ++i) {
    host.fill(i);
    copies.push_back(host.to(Device::cuda(0)));
  }
  host.fill(-1);
  for (int i = 0; i < 20; ++i) {
    const Tensor back = copies[static_cast<size_t>(i)].to(Device::cpu());
    for (const float v : back.values<float>()) ASSERT_EQ(v, static_cast<float>(i));
  }
}

}  // namespace
}  // namespace kestrel
