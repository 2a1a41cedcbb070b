#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include <kestrel/data/transforms/color_transforms.h>
#include <kestrel/data/transforms/pipeline.h>
#include <kestrel/data/transforms/yolox_hsv.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

// Runs f(sample, draw) for every golden case of a name and compares what comes out.
void expect_golden(const std::string& name,
                   const std::function<void(Sample&, const nlohmann::json&)>& f) {
  const auto golden = test::golden("color_transforms.json");
  int cases = 0;
  for (const auto& entry : golden.at("cases")) {
    if (entry.at("name") != name) continue;
    ++cases;
    SCOPED_TRACE(name + " " + entry.at("draw").dump());
    Sample sample(test::image_of(golden.at("source")));
    f(sample, entry.at("draw"));
    const Image expected = test::image_of(entry), got = sample.bytes();
    ASSERT_EQ(got.height, expected.height);
    ASSERT_EQ(got.width, expected.width);
    int most = 0;
    for (size_t i = 0; i < got.pixels.size(); ++i) {
      most = std::max(most, std::abs(int{got.pixels[i]} - int{expected.pixels[i]}));
    }
    EXPECT_LE(most, 1);
  }
  EXPECT_GT(cases, 0);
}

template <class T>
void expect_enhanced(const std::string& name) {
  expect_golden(name, [](Sample& sample, const nlohmann::json& draw) {
    T(EnhanceOptions{.level = draw[0]}).change(sample.bytes());
  });
}

TEST(ColorTransforms, ColoursAreThoseOfMMDetection) {
  expect_enhanced<ColorTransform>("Color");
  expect_enhanced<BrightnessTransform>("Brightness");
  expect_enhanced<ContrastTransform>("Contrast");
  expect_golden("Equalize", [](Sample& sample, const nlohmann::json&) {
    EqualizeTransform(EqualizeOptions{}).change(sample.bytes());
  });
  expect_golden("Hsv", [](Sample& sample, const nlohmann::json& draw) {
    YoloxHsv::change(sample.bytes(), {draw[0], draw[1], draw[2]});
  });
}

// Sum of (count - expected)^2 / expected.
double chi_square(const std::vector<int>& counts, const std::vector<double>& expected) {
  double sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double off = counts[i] - expected[i];
    sum += off * off / expected[i];
  }
  return sum;
}

// Chi-square over 10,000 draws is above the limits here once in 1,000 times. The draws are fixed.
TEST(ColorTransforms, GainsFollowTheirDistribution) {
  const YoloxHsv hsv({.hue_delta = 5, .saturation_delta = 10, .value_delta = 10});
  for (const size_t channel : {0u, 1u, 2u}) {
    const int most = channel == 0 ? 5 : 10;
    // Every other time 0, else cut towards zero: -most < gain < most, 0 twice as often as others.
    std::vector<int> counts(static_cast<size_t>(2 * most - 1));
    std::vector<double> expected(counts.size(), 5000.0 / (2 * most));
    expected[static_cast<size_t>(most - 1)] = 5000 + 2 * 5000.0 / (2 * most);
    for (uint64_t i = 0; i < 10000; ++i) {
      Philox random(5, 2, i);
      const int gain = hsv.draw(random)[channel];
      ASSERT_LT(std::abs(gain), most);
      ++counts[static_cast<size_t>(gain + most - 1)];
    }
    EXPECT_LT(chi_square(counts, expected), most == 5 ? 26.1 : 42.3);  // 8 and 18 degrees
  }
}

TEST(ColorTransforms, AreDoneAsOftenAsAskedFor) {
  const ColorTransform color({.level = 5, .prob = 0.3});
  std::vector<int> counts(2);
  for (uint64_t i = 0; i < 10000; ++i) {
    Philox random(5, 3, i);
    ++counts[color.draw(random) ? 1 : 0];
  }
  EXPECT_LT(chi_square(counts, {7000, 3000}), 10.8);  // 1 degree of freedom
}

TEST(ColorTransforms, WrongOptionsAreNamed) {
  EXPECT_THROW(ColorTransform({.level = 11}), UsageError);
  EXPECT_THROW(YoloxHsv({.hue_delta = -1}), UsageError);
}

TEST(ColorTransforms, AreBuiltFromAConfig) {
  const Pipeline pipeline(Config::parse(R"(
- {type: YOLOXHSVRandomAug}
- {type: ColorTransform, level: 3}
- {type: EqualizeTransform, prob: 1}
- {type: BrightnessTransform, level: 3}
- {type: ContrastTransform, level: 3}
)"));
  Sample sample(test::test_image(40, 50));
  Philox random(3);
  EXPECT_TRUE(pipeline.apply(sample, random));
  EXPECT_NE(sample.bytes(), test::test_image(40, 50));
}

}  // namespace
}  // namespace kestrel
