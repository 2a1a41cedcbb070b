#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <kestrel/data/datasets/shapes.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/inference/detector.h>
#include <kestrel/inference/weights.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/allocator.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

Config tiny_config() {
  Config config = Config::load(fs::path(KESTREL_SOURCE_DIR) /
                               "configs/retinanet/retinanet_r18_fpn_shapes.yaml");
  for (const char* assignment :
       {"model.backbone.base_channels=8", "model.neck.in_channels=[8, 16, 32, 64]",
        "model.neck.out_channels=16", "model.bbox_head.in_channels=16",
        "model.bbox_head.feat_channels=16", "model.bbox_head.stacked_convs=1",
        "model.bbox_head.norm_cfg.num_groups=4", "data.test.pipeline.1.img_scale=[64, 64]"}) {
    config.apply_override(assignment);
  }
  return config;
}

/// A weights file of a small random model whose scores are high enough for detections.
class DetectorLifetime : public testing::Test {
 protected:
  void SetUp() override {
    const Config config = tiny_config();
    const auto model = build<BaseDetector>(config.at("model"));
    Philox random(3);
    model->init_weights(random);
    StateDict weights = model->state_dict();
    for (auto& [name, tensor] : weights) {
      if (name == "bbox_head.retina_cls.bias") tensor.copy_from(Tensor::full(tensor.shape(), 0.5));
    }
    write_model_file(file_, {weights, config, {"a", "b", "c", "d", "e", "f"}});
  }
  void TearDown() override { fs::remove(file_); }

  fs::path file_ =
      fs::temp_directory_path() / ("kestrel_lifetime_" + std::to_string(getpid()) + ".safetensors");
};

int64_t resident_kilobytes() {
  std::ifstream in("/proc/self/statm");
  int64_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE) / 1024;
}

// KESTREL_DETECTORS=10000 is the figure; the suite's own number is enough to see a leak of
// one kilobyte per detector.
TEST_F(DetectorLifetime, CreatingAndDestroyingLeavesNothing) {
  const char* set = std::getenv("KESTREL_DETECTORS");
  const int count = set ? std::atoi(set) : 2000;
  const Image image =
      ShapesDataset({.num_images = 1, .image_size = 64, .min_size = 12, .max_size = 30}).load(0);
  size_t objects = 0;
  int64_t settled = 0;
  for (int i = 0; i < count; ++i) {
    Detector detector = Detector::load(file_);
    if (i % 100 == 0) objects += detector.detect(image).size();
    if (i == count / 4) settled = resident_kilobytes();
  }
  const int64_t grown = resident_kilobytes() - settled;
  RecordProperty("grown_kilobytes", static_cast<int>(grown));
  EXPECT_GT(objects, 0U);
#ifdef __SANITIZE_ADDRESS__
  return;  // It keeps what was freed for a while; leaks are LeakSanitizer's to find.
#endif
  // A kilobyte per detector would be three quarters of the number; pages come and go by some.
  EXPECT_LE(grown, std::max(512, count / 8)) << "over " << count - count / 4 << " detectors";
}

TEST_F(DetectorLifetime, EightThreadsFindWhatOneFinds) {
  const ShapesDataset shapes({.num_images = 12, .image_size = 96, .min_size = 12, .max_size = 40});
  const auto find_all = [&] {
    Detector detector = Detector::load(file_);
    std::vector<std::vector<Object>> found;
    for (int64_t i = 0; i < shapes.size(); ++i) {
      found.push_back(detector.detect(shapes.load(i), {.score_threshold = 0.1F}));
    }
    return found;
  };
  const auto expected = find_all();
  std::vector<std::vector<std::vector<Object>>> found(8);
  {
    std::vector<std::thread> threads;
    for (auto& result : found) threads.emplace_back([&] { result = find_all(); });
    for (std::thread& thread : threads) thread.join();
  }
  size_t objects = 0;
  for (size_t t = 0; t < found.size(); ++t) {
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(found[t][i].size(), expected[i].size()) << "thread " << t << ", image " << i;
      for (size_t n = 0; n < expected[i].size(); ++n) {
        const Object &one = expected[i][n], &other = found[t][i][n];
        EXPECT_EQ(one.score, other.score);
        EXPECT_EQ(one.class_id, other.class_id);
        EXPECT_TRUE(one.box.x1 == other.box.x1 && one.box.y1 == other.box.y1 &&
                    one.box.x2 == other.box.x2 && one.box.y2 == other.box.y2);
        ++objects;
      }
    }
  }
  EXPECT_GT(objects, 100U) << "a comparison of nothing";
}

/// A weights file of a RetinaNet-R18.
class DetectorMemory : public testing::Test {
 protected:
  void SetUp() override {
    Config config = Config::load(fs::path(KESTREL_SOURCE_DIR) /
                                 "configs/retinanet/retinanet_r18_fpn_shapes.yaml");
    config.apply_override("data.test.pipeline.1.img_scale=[512, 512]");
    const auto model = build<BaseDetector>(config.at("model"));
    Philox random(3);
    model->init_weights(random);
    for (const auto& [name, tensor] : model->state_dict()) weight_bytes_ += tensor.bytes();
    write_model_file(file_, {model->state_dict(), config, {"a", "b", "c", "d", "e", "f"}});
  }
  void TearDown() override { fs::remove(file_); }

  size_t weight_bytes_ = 0;
  fs::path file_ =
      fs::temp_directory_path() / ("kestrel_memory_" + std::to_string(getpid()) + ".safetensors");
};

TEST_F(DetectorMemory, HoldsTheFileAndTheMapsThatAreNeeded) {
  release_cached_memory();
  const size_t before = host_memory_stats().used;
  Detector detector = Detector::load(file_);
  EXPECT_LT(host_memory_stats().used - before, weight_bytes_ / 10) << "weights were copied";
  const Image image(512, 512);
  reset_host_memory_peak();
  detector.detect(image);
  EXPECT_LT(host_memory_stats().used - before, weight_bytes_ / 10) << "folded weights are kept";
  // At the largest maps, the second block: its input, which the result takes the place of, and the
  // map between; of 128 x 128 x 64 floats each.
  constexpr size_t kMap = size_t{128} * 128 * 64 * 4;
  EXPECT_LT(host_memory_stats().peak - before, 12 * kMap);
  const size_t kept = host_memory_stats().cached;
  detector.detect(image);
  detector.detect(image);
  EXPECT_EQ(host_memory_stats().cached, kept) << "more is kept with every image";
  EXPECT_LT(kept, host_memory_stats().peak - before + 2 * kMap) << "freed maps do not join";
}

TEST_F(DetectorMemory, WeightsMayBeWrittenTo) {
  Detector detector = Detector::load(file_);
  const Image image(512, 512);
  detector.detect(image);
  for (auto& parameter : detector.model().parameters()) {
    parameter.data().copy_from(Tensor::full(parameter.shape(), 0.25));
  }
  detector.model().state_changed();
  detector.detect(image);
  for (const auto& parameter : detector.model().parameters()) {
    ASSERT_EQ(parameter.data().data<float>()[0], 0.25F);
    ASSERT_EQ(parameter.data().data<float>()[parameter.numel() - 1], 0.25F);
  }
  for (const auto& [name, tensor] : read_model_file(file_).weights) {
    if (name == "backbone.conv1.weight") {
      EXPECT_NE(tensor.data<float>()[0], 0.25F);
    }
  }
}

}  // namespace
}  // namespace kestrel
