#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <kestrel/kernels/conv2d.h>
#include <kestrel/kernels/cuda/algorithm_choice.h>
#include <kestrel/kernels/device.h>
#include <kestrel/kernels/error.h>

namespace kestrel::gpu {
namespace {

/// Two ways to do nothing, each of which takes its time.
class AlgorithmChoice : public ::testing::Test {
 protected:
  void SetUp() override {
    unsetenv("KESTREL_CONV_CACHE");
    forget_choices();
    set_conv_algorithm(ConvAlgorithm::Auto);
  }
  void TearDown() override { SetUp(); }

  void work(const std::string& key, bool own_is_slow, bool possible = true,
            bool repeatable = true) {
    const auto take = [](bool slow) {
      if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(3));
    };
    do_either({.key = key,
               .own =
                   [&] {
                     ++own;
                     last = "own";
                     take(own_is_slow);
                   },
               .library =
                   [&] {
                     ++library;
                     if (!possible) return false;
                     last = "library";
                     take(!own_is_slow);
                     return true;
                   },
               .repeatable = repeatable},
              current_stream(0));
  }

  int own = 0, library = 0;
  std::string last;
};

TEST_F(AlgorithmChoice, TheFasterOneIsMeasuredOnceForEachKey) {
  work("slow", true);
  EXPECT_GT(own, 1);
  EXPECT_GT(library, 1);
  EXPECT_EQ(last, "library");  // What is left behind is the chosen one's result.
  own = library = 0;
  work("slow", true);
  EXPECT_EQ(own, 0);
  EXPECT_EQ(library, 1);
  work("quick", false);
  EXPECT_EQ(last, "own");
  own = library = 0;
  work("quick", false);
  EXPECT_EQ(own, 1);
  EXPECT_EQ(library, 0);
}

TEST_F(AlgorithmChoice, WhatALibraryCannotDoIsNotAskedOfItAgain) {
  work("odd", true, false);
  EXPECT_EQ(last, "own");
  own = library = 0;
  work("odd", true, false);
  EXPECT_EQ(own, 1);
  EXPECT_EQ(library, 0);
}

TEST_F(AlgorithmChoice, WorkThatAddsToItsResultIsDoneOnce) {
  work("sum", true, true, false);
  EXPECT_EQ(own, 1);
  EXPECT_EQ(library, 0);
}

TEST_F(AlgorithmChoice, ImplicitGemmAsksNoLibraryAndCudnnNeedsABuildWithIt) {
  set_conv_algorithm(ConvAlgorithm::ImplicitGemm);
  work("slow", true);
  EXPECT_EQ(own, 1);
  EXPECT_EQ(library, 0);
  EXPECT_FALSE(has_cudnn());
  EXPECT_THROW(set_conv_algorithm(ConvAlgorithm::Cudnn), UsageError);
  EXPECT_EQ(conv_algorithm(), ConvAlgorithm::ImplicitGemm);
}

TEST_F(AlgorithmChoice, AFileKeepsTheChoicesForTheNextProcess) {
  const auto file = std::filesystem::temp_directory_path() / "kestrel_conv_choices.txt";
  std::ofstream(file) << "a line that nobody wrote\n" << device_name(0) << "\tknown\tcudnn\n";
  setenv("KESTREL_CONV_CACHE", file.c_str(), 1);
  forget_choices();
  work("known", true);
  EXPECT_EQ(own, 0);
  EXPECT_EQ(library, 1);
  work("new", false);
  forget_choices();  // As a new process would begin.
  own = library = 0;
  work("new", false);
  EXPECT_EQ(own, 1);
  EXPECT_EQ(library, 0);
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace kestrel::gpu
