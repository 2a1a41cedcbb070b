#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/data/datasets/shapes.h>
#include <kestrel/engine/build_run.h>
#include <kestrel/engine/hooks/lr_updater_hook.h>
#include <kestrel/engine/hooks/optimizer_hook.h>
#include <kestrel/engine/train.h>
#include <kestrel/inference/detector.h>
#include <kestrel/tensor/safetensors.h>

#include "../support/simulator.h"
#include "tiny_retinanet.h"

// The main job on CUDA, a device or simulated: what the CPU does, it does.

namespace kestrel {
namespace {

namespace fs = std::filesystem;

Config smallest_config() {
  Config config = tiny_config();
  // No smaller pictures: batch normalisation over two values is a matter of rounding.
  for (const char* assignment :
       {"data.val.num_images=2", "runner.max_epochs=1", "evaluation.interval=1",
        "log_config.interval=1", "optimizer.lr=0.001", "model.test_cfg.score_thr=0.001"}) {
    config.apply_override(assignment);
  }
  return config;
}

struct TrainingRun {
  std::vector<double> losses;  ///< By iteration, as logged: four digits after the point.
  fs::path weights;
  std::string hash;
  int64_t graph_replays = 0;
};

TrainingRun train_on(Device device, const fs::path& folder, TrainOptions options = {},
                     const Config& config = smallest_config()) {
  TrainingRun run;
  options.out = folder;
  options.seed = 3;
  options.device = device;
  options.log.line = [&](std::string_view text) {
    const size_t at = text.rfind(", loss: ");
    if (at != std::string_view::npos)
      run.losses.push_back(std::stod(std::string(text.substr(at + 8))));
  };
  const TrainSummary summary = train_detector(config, options);
  run.weights = summary.last;
  run.hash = summary.weights_hash;
  run.graph_replays = summary.graph_replays;
  return run;
}

bool is_same_object(const Object& a, const Object& b) {
  const auto near = [](float x, float y) { return std::abs(x - y) <= 0.01F; };
  return a.class_id == b.class_id && std::abs(a.score - b.score) <= 1e-4F &&
         near(a.box.x1, b.box.x1) && near(a.box.y1, b.box.y1) && near(a.box.x2, b.box.x2) &&
         near(a.box.y2, b.box.y2);
}

TEST(TrainCuda, TwentyStepsFollowTheCpu) {
  if (Device::cuda_count() == 0) GTEST_SKIP() << "built without CUDA";
  const fs::path folder = fs::temp_directory_path() / "kestrel_train_cuda";
  fs::remove_all(folder);
  const TrainingRun cpu = train_on(Device::cpu(), folder / "cpu");
  const TrainingRun cuda = train_on(Device::cuda(0), folder / "cuda");
  ASSERT_GE(cpu.losses.size(), 20U);
  ASSERT_EQ(cuda.losses.size(), cpu.losses.size());
  for (size_t i = 0; i < cpu.losses.size(); ++i) {
    EXPECT_NEAR(cuda.losses[i], cpu.losses[i], 1e-3 * cpu.losses[i]) << "step " << i;
  }

  // Both devices, with the same weights, find the same objects.
  Detector on_cpu = Detector::load(cuda.weights, Device::cpu());
  Detector on_cuda = Detector::load(cuda.weights, Device::cuda(0));
  const ShapesDataset images(
      {.split = "test", .num_images = 2, .image_size = 64, .min_size = 10, .max_size = 40});
  for (int64_t i = 0; i < images.size(); ++i) {
    const auto expected = on_cpu.detect(images.load(i), {.score_threshold = 0});
    const auto found = on_cuda.detect(images.load(i), {.score_threshold = 0});
    ASSERT_FALSE(expected.empty());
    ASSERT_EQ(found.size(), expected.size());
    // By falling score: of two whose scores differ by rounding, either may come first.
    std::vector<bool> taken(found.size());
    for (size_t k = 0; k < expected.size(); ++k) {
      EXPECT_NEAR(found[k].score, expected[k].score, 1e-4);
      size_t partner = 0;
      while (partner < found.size() &&
             (taken[partner] || !is_same_object(found[partner], expected[k]))) {
        ++partner;
      }
      ASSERT_LT(partner, found.size())
          << "image " << i << ", object " << k << ", " << expected[k].label << ' '
          << expected[k].score << ' ' << expected[k].box;
      taken[partner] = true;
    }
  }
  // Recorded steps are the same steps: same losses, same weights to the bit.
  const TrainingRun graph = train_on(Device::cuda(0), folder / "graph", {.cuda_graph = true});
  EXPECT_EQ(graph.losses, cuda.losses);
  EXPECT_EQ(graph.hash, cuda.hash);
  EXPECT_EQ(graph.graph_replays, static_cast<int64_t>(cuda.losses.size()) - 1);
  fs::remove_all(folder);
}

TEST(TrainCuda, MixedPrecisionFollowsFloat32) {
  if (Device::cuda_count() == 0) GTEST_SKIP() << "built without CUDA";
  const fs::path folder = fs::temp_directory_path() / "kestrel_train_cuda_amp";
  fs::remove_all(folder);
  constexpr int64_t kSteps = 6;
  const TrainingRun whole = train_on(Device::cpu(), folder / "cpu", {.max_iters = kSteps});
  const TrainingRun mixed =
      train_on(Device::cuda(0), folder / "cuda", {.amp = true, .max_iters = kSteps});
  ASSERT_EQ(whole.losses.size(), static_cast<size_t>(kSteps));
  ASSERT_EQ(mixed.losses.size(), whole.losses.size());
  for (size_t i = 0; i < whole.losses.size(); ++i) {
    EXPECT_NEAR(mixed.losses[i], whole.losses[i], 0.02 * whole.losses[i]) << "step " << i;
  }
  EXPECT_NE(mixed.losses, whole.losses) << "nothing was rounded to bfloat16";

  const TrainingRun graph = train_on(Device::cuda(0), folder / "graph",
                                     {.amp = true, .cuda_graph = true, .max_iters = kSteps});
  EXPECT_EQ(graph.losses, mixed.losses);
  EXPECT_EQ(graph.hash, mixed.hash);
  EXPECT_GT(graph.graph_replays, 0);
  fs::remove_all(folder);
}

TEST(TrainCuda, RecordedStepsAccumulateGradients) {
  if (Device::cuda_count() == 0) GTEST_SKIP() << "built without CUDA";
  const fs::path folder = fs::temp_directory_path() / "kestrel_train_cuda_accumulate";
  fs::remove_all(folder);
  Config config = smallest_config();
  config.apply_override("optimizer_config.cumulative_iters=2");
  constexpr int64_t kSteps = 6;
  const TrainingRun usual =
      train_on(Device::cuda(0), folder / "usual", {.max_iters = kSteps}, config);
  const TrainingRun graph = train_on(Device::cuda(0), folder / "graph",
                                     {.cuda_graph = true, .max_iters = kSteps}, config);
  ASSERT_EQ(usual.losses.size(), static_cast<size_t>(kSteps));
  EXPECT_EQ(graph.losses, usual.losses);
  EXPECT_EQ(graph.graph_replays, kSteps - 1);

  // What a head adds up over its levels is added up in another order: a rounding of what training
  // changed.
  const Safetensors expected = read_safetensors(usual.weights),
                    got = read_safetensors(graph.weights);
  double changed = 0, apart = 0;
  const kestrel::Run start = build_run(config, {.seed = 3});
  for (const auto& [name, param] : start.model->named_parameters()) {
    for (int64_t i = 0; i < param.numel(); ++i) {
      const double want = expected.at(name).data<float>()[i];
      changed = std::max(changed, std::abs(want - param.data().data<float>()[i]));
      apart = std::max(apart, std::abs(want - got.at(name).data<float>()[i]));
    }
  }
  EXPECT_GT(changed, 1e-5);
  EXPECT_LT(apart, 1e-3 * changed);
  fs::remove_all(folder);
}

/// Counts how often the host waited for the device, from iteration to iteration.
class WaitCounter final : public Hook {
 public:
  void after_iter(Runner&) override {
    if (const auto waits = test::simulator_host_waits()) counts.push_back(*waits);
  }
  std::vector<uint64_t> counts;
};

TEST(TrainCuda, BetweenLogsNobodyWaitsForTheDevice) {
  if (!test::simulator_host_waits()) GTEST_SKIP() << "only the simulator counts";
  test::stop_watching_simulator();
  for (const bool cuda_graph : {false, true}) {
    SCOPED_TRACE(cuda_graph);
    TrainOptions options{.seed = 3, .device = Device::cuda(0), .cuda_graph = cuda_graph};
    Config config = smallest_config();
    config.apply_override("optimizer_config.grad_clip={max_norm: 35, norm_type: 2}");
    config.apply_override("data.train.num_images=24");
    kestrel::Run run = build_run(config, options);
    Runner runner(*run.task, 1);
    const auto counter = std::make_shared<WaitCounter>();
    runner.add_hook(
        std::make_shared<LrUpdaterHook>(*run.optimizer, build_lr_schedule(run.config.lr_config)),
        Priority::VeryHigh);
    runner.add_hook(std::make_shared<OptimizerHook>(*run.optimizer, run.config.optimizer_config),
                    Priority::AboveNormal);
    runner.add_hook(counter, Priority::Lowest);
    runner.run();
    ASSERT_GE(counter->counts.size(), 10U);
    // The first steps make the momentum and, once, record the graph.
    EXPECT_EQ(counter->counts[2], counter->counts.back());
    EXPECT_EQ(run.task->graph_replays() > 0, cuda_graph);
  }
}

}  // namespace
}  // namespace kestrel
