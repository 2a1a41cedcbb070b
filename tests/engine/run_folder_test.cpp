#include <kestrel/engine/records/run_folder.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <kestrel/engine/checkpoints/can_save.h>
#include <kestrel/engine/records/output_file.h>
#include <kestrel/kernels/error.h>

#include "../support/error_of.h"

namespace kestrel {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::error_of;

class RunFolders : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = fs::current_path();
    folder_ = fs::temp_directory_path() /
              (std::string("kestrel_folders_") + std::to_string(::getpid()) +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
    fs::current_path(folder_);
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(folder_);
  }
  static void write(const fs::path& file, const std::string& text) {
    if (file.has_parent_path()) fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  static std::string open_error(const fs::path& folder) {
    return error_of<UsageError>([&] { RunFolder::open(folder); });
  }

  fs::path before_, folder_;
};

TEST_F(RunFolders, ManyAtOnceGetOneEach) {
  constexpr int kThreads = 16;
  std::vector<RunFolder> folders(kThreads);
  std::vector<std::thread> threads;
  for (RunFolder& folder : folders) {
    threads.emplace_back([&folder] { folder = RunFolder::make_next("toy"); });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<fs::path> different;
  for (const RunFolder& folder : folders) different.insert(folder.path());
  EXPECT_EQ(different.size(), static_cast<size_t>(kThreads));
  EXPECT_TRUE(different.contains("runs/toy1"));
  EXPECT_TRUE(different.contains("runs/toy16"));
}

TEST_F(RunFolders, OneThatIsWrittenToIsRefused) {
  {
    const RunFolder held = RunFolder::open("mine");
    for (const char* spelling : {"mine", "./mine", "../mine/../mine"}) {
      if (!fs::exists(spelling)) continue;
      EXPECT_TRUE(contains(open_error(spelling), "another process is writing to")) << spelling;
    }
    fs::create_directory_symlink("mine", "link");
    EXPECT_TRUE(contains(open_error("link"), "another process is writing to"));
    write("mine/train.log", "");
  }
  EXPECT_NO_THROW(RunFolder::open("mine"));
}

TEST_F(RunFolders, OneThatIsNoRunsIsRefused) {
  write("photos/a.jpg", "x");
  EXPECT_TRUE(contains(open_error("photos"), "holds other things than a run, such as a.jpg"));
  write("log/train.log", "epoch,loss\n1,2 and so on for some characters\n");
  EXPECT_TRUE(contains(open_error("log"), "such as train.log"));
  write("file", "x");
  EXPECT_TRUE(contains(open_error("file"), "is a file"));
  EXPECT_TRUE(contains(open_error("file/run"), "cannot be made"));
  write("run/train.log", "2026-01-31 12:00:00 INFO data: 3 images\n");
  write("run/notes.txt", "mine");
  fs::create_directory("empty");
  for (const char* good : {"run", "empty", "new/run"})
    EXPECT_NO_THROW(RunFolder::open(good)) << good;
  EXPECT_TRUE(fs::exists("empty")) << "it was there before";
  EXPECT_FALSE(fs::exists("new/run")) << "made, and nothing came into it";
}

TEST_F(RunFolders, ASaveThatCannotSucceedIsFoundBefore) {
  EXPECT_NO_THROW(check_can_save(folder_, {.weights = 1000, .resume = 3000}));
  EXPECT_TRUE(fs::is_empty(folder_ / "weights"));
  const auto why = [&](const SaveBytes& bytes) {
    return error_of<ModelFileError>([&] { check_can_save(folder_, bytes); });
  };
  const std::string full = why({.weights = int64_t{1} << 50, .resume = int64_t{1} << 51});
  EXPECT_TRUE(contains(full, "nothing was trained")) << full;
  EXPECT_TRUE(contains(full, "are free there, and")) << full;
  fs::remove_all("weights");
  write("weights", "a file in the way");
  EXPECT_TRUE(
      contains(why({.weights = 1, .resume = 1}), "weights: what is trained could not be saved"));
}

TEST_F(RunFolders, OutputsReplaceOnlyWhatIsOfTheirKind) {
  Image image(4, 5);
  write_image("photo.jpg", image);
  write_image("photo.png", image);
  write_result_picture("found.jpg", image);
  write_result_picture("found.PNG", image);
  EXPECT_EQ(read_image("found.PNG"), image);
  EXPECT_EQ(read_image("found.jpg").width, 5);
  write("annotations.json", R"({"images": [], "annotations": [{"score": 1}]})");
  write("results.json",
        "[{\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, 3, 4], \"score\": 0.5}]");
  write("none.json", "[]\n");
  write("model.safetensors", std::string("\x02\0\0\0\0\0\0\0{}", 10));
  const auto refused = [](const char* out, OutputKind kind) {
    return !error_of<UsageError>([&] { check_output("test", out, kind); }).empty();
  };
  for (const auto& [out, kind] : {std::pair("found.jpg", OutputKind::Picture),
                                  {"found.PNG", OutputKind::Picture},
                                  {"absent.jpg", OutputKind::Picture},
                                  {"results.json", OutputKind::Results},
                                  {"none.json", OutputKind::Results},
                                  {"/dev/null", OutputKind::Results},
                                  {"model.safetensors", OutputKind::Weights}}) {
    EXPECT_NO_THROW(check_output("test", out, kind)) << out;
  }
  for (const auto& [out, kind] : {std::pair("photo.jpg", OutputKind::Picture),
                                  {"photo.png", OutputKind::Picture},
                                  {".", OutputKind::Picture},
                                  {"annotations.json", OutputKind::Results},
                                  {"photo.jpg", OutputKind::Results},
                                  {"annotations.json", OutputKind::Weights}}) {
    EXPECT_TRUE(refused(out, kind)) << out;
  }
  const fs::path sources[] = {"found.jpg"};
  fs::create_symlink("found.jpg", "link.jpg");
  fs::create_hard_link("found.jpg", "hard.jpg");
  for (const char* out : {"found.jpg", "./found.jpg", "link.jpg", "hard.jpg"}) {
    EXPECT_TRUE(contains(
        error_of<UsageError>([&] { check_output("test", out, OutputKind::Picture, sources); }),
        "would be overwritten"))
        << out;
  }
}

}  // namespace
}  // namespace kestrel
