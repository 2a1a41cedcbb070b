#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/engine/tools/benchmark.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/random.h>

#include "tiny_retinanet.h"

namespace kestrel {
namespace {

Detector tiny_detector(const Config& config) {
  auto model = build<BaseDetector>(config.at("model"));
  Philox random(1);
  model->init_weights(random);
  return {std::move(model), config, {"a", "b", "c", "d", "e", "f"}};
}

TEST(Benchmark, LayersAndPartsOfATinyModel) {
  const Config config = tiny_config();
  Detector detector = tiny_detector(config);
  const Config& pipeline = config.at("data").at("test").at("pipeline");
  const BenchmarkResult result = benchmark_detector(detector, with_image_size(pipeline, 96),
                                                    Image(48, 64), {.batch = 2, .runs = 5});
  EXPECT_EQ(result.input, (Shape{2, 96, 128, 3}));
  EXPECT_EQ(result.total.milliseconds.size(), 5U);
  EXPECT_LE(result.total.p50(), result.total.p95());
  EXPECT_GT(result.preprocess.p50(), 0);
  EXPECT_GE(result.total.p50(), result.network.p50());

  double layers = 0;
  for (const LayerTime& layer : result.layers) layers += layer.milliseconds;
  EXPECT_GT(layers, 0);
  // The stem: 7 x 7 from 3 to 8 channels at half the resolution, two images.
  const LayerTime& stem = result.layers.front();
  EXPECT_EQ(stem.name, "backbone.conv1");
  EXPECT_EQ(stem.calls, 1);
  EXPECT_DOUBLE_EQ(stem.gflop, 2e-9 * 2 * 48 * 64 * 8 * 7 * 7 * 3);
  // A head's layer runs once per level of the pyramid: its flop are those of all of them.
  const auto head = std::ranges::find(result.layers, "bbox_head.retina_cls", &LayerTime::name);
  ASSERT_NE(head, result.layers.end());
  EXPECT_EQ(head->calls, 5);
  const auto norm = std::ranges::find(result.layers, "bbox_head.cls_convs.0.gn", &LayerTime::name);
  ASSERT_NE(norm, result.layers.end()) << "a norm that is not folded is a layer";
  EXPECT_EQ(norm->gflop, 0);
  for (const LayerTime& layer : result.layers) {
    EXPECT_EQ(layer.name.find(".bn"), std::string::npos) << "folded into its convolution";
  }

  const auto json = nlohmann::json::parse(benchmark_json(result));
  EXPECT_EQ(json.at("input"), (std::vector<int64_t>{2, 96, 128, 3}));
  EXPECT_EQ(json.at("layers").size(), result.layers.size());
  EXPECT_GT(json.at("milliseconds").at("total").at("p95").get<double>(), 0);
  const std::string table = benchmark_table(result);
  EXPECT_NE(table.find("backbone.layer4.1.conv2"), std::string::npos);
  EXPECT_NE(table.find("images/s"), std::string::npos);
}

TEST(Benchmark, PercentilesByNearestRank) {
  Timing timing;
  EXPECT_EQ(timing.p50(), 0);
  for (int i = 1; i <= 20; ++i) timing.milliseconds.push_back(i);
  EXPECT_EQ(timing.p50(), 10);
  EXPECT_EQ(timing.p95(), 19);
  EXPECT_EQ(timing.percentile(100), 20);
}

}  // namespace
}  // namespace kestrel
