// Files that earlier versions wrote: tests/compat/README.md.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include <kestrel/data/datasets/coco.h>
#include <kestrel/engine/checkpoints/resume.h>
#include <kestrel/engine/train.h>

#include "../compat/compat_files.h"

namespace kestrel {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> version_folders() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(fs::path(KESTREL_TEST_DIR) / "compat")) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  return folders;
}

class Compat : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    work_ = fs::temp_directory_path() / (std::to_string(::getpid()) + "_compat_" + info->name());
    fs::create_directories(work_);
    ASSERT_FALSE(version_folders().empty());
  }
  void TearDown() override { fs::remove_all(work_); }

  fs::path work_;
};

TEST_F(Compat, WeightsFindTheSame) {
  for (const fs::path& folder : version_folders()) {
    Detector detector = Detector::load(folder / "weights.safetensors");
    EXPECT_EQ(detector.classes(), test::compat_pictures().class_names()) << folder;
    std::ifstream file(folder / "scores.txt");
    const std::vector<float> expected(std::istream_iterator<float>(file), {});
    const std::vector<float> found = test::compat_scores(detector);
    ASSERT_EQ(found.size(), expected.size()) << folder;
    ASSERT_EQ(expected.size(), 5U) << folder;
    // Sums differ in their last bits between processors.
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5) << folder;
  }
}

TEST_F(Compat, RunsGoOn) {
  for (const fs::path& folder : version_folders()) {
    const fs::path run = work_ / folder.filename();
    fs::copy(folder / "run", run, fs::copy_options::recursive);
    const StoredRun stored = open_stored_run(run);
    const TrainSummary summary =
        train_detector(stored.config, {.out = run, .max_iters = 5, .resume = true});
    EXPECT_TRUE(fs::exists(summary.last)) << folder;
    // Of the twelve iterations three were done.
    EXPECT_EQ(summary.position.epoch, 0) << folder;
    EXPECT_EQ(summary.position.inner_iter, 5) << folder;
    EXPECT_FALSE(summary.stopped);
  }
}

TEST_F(Compat, IndexCachesAreUsed) {
  for (const fs::path& folder : version_folders()) {
    const fs::path annotations = work_ / "instances.json";
    test::write_padded(folder / "annotations.json", annotations);
    // A copy: a cache that is used is written again with its file's new time.
    const fs::path cache = work_ / "index.kestrel-index";
    fs::copy_file(folder / "index.kestrel-index", cache, fs::copy_options::overwrite_existing);
    const auto found = read_index_cache(cache, annotations);
    ASSERT_TRUE(found) << folder;
    const CocoDataset anew({.ann_file = annotations.string(),
                            .img_prefix = work_.string(),
                            .test_mode = true,
                            .index_cache = false});
    ASSERT_EQ(static_cast<int64_t>(found->index.images.size()), anew.size()) << folder;
    ASSERT_EQ(found->index.categories.size(), anew.class_names().size()) << folder;
    size_t objects = 0;
    for (int64_t i = 0; i < anew.size(); ++i) {
      EXPECT_EQ(found->index.image_name(static_cast<size_t>(i)),
                fs::path(anew.info(i).file).filename().string())
          << folder;
      objects += anew.annotations(i).size();
    }
    EXPECT_EQ(found->index.objects.size(), objects) << folder;
  }
}

}  // namespace
}  // namespace kestrel
