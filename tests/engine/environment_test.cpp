#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include <kestrel/engine/diagnosis/environment.h>
#include <kestrel/engine/diagnosis/machine.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

/// Sets a variable of the environment for its own lifetime.
class SetVariable {
 public:
  SetVariable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~SetVariable() {
    if (before_) {
      setenv(name_, before_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  SetVariable(const SetVariable&) = delete;
  SetVariable& operator=(const SetVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

bool has_problem(const EnvironmentReport& report, const std::string& text) {
  return std::ranges::any_of(report.problems, [&](const std::string& problem) {
    return problem.find(text) != std::string::npos;
  });
}

TEST(Environment, FitsOnAScreen) {
  const EnvironmentReport report = examine_environment();
  const std::string text = report.text();
  EXPECT_LE(std::ranges::count(text, '\n'), 40);
  for (const char* word : {"revision", "processor", "AVX", "memory", "oneDNN", "libpng", "cpu",
                           "convolutions", "runs"}) {
    EXPECT_NE(text.find(word), std::string::npos) << word << " is missing in\n" << text;
  }
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = text.find('\n', begin);
    EXPECT_LE(end - begin, 100U) << text.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST(Environment, SaysWhereWeightsAreLookedFor) {
  const auto folder = std::filesystem::temp_directory_path() /
                      (std::to_string(::getpid()) + "_kestrel_environment_weights");
  std::filesystem::create_directories(folder);
  const auto said = [&] { return examine_environment().text(); };
  const SetVariable weights("KESTREL_WEIGHTS", folder.c_str());
  EXPECT_NE(said().find("no weights"), std::string::npos);
  std::ofstream(folder / "resnet18-f37072fd.pth") << "x";
  EXPECT_NE(said().find("resnet18-f37072fd.pth"), std::string::npos);
  EXPECT_NE(said().find("./weights"), std::string::npos);
  std::filesystem::remove_all(folder);
}

TEST(Environment, SaysWhatIsWrong) {
  EXPECT_FALSE(has_problem(examine_environment(), "KESTREL_DATA"));
  const SetVariable data("KESTREL_DATA", "/no/such/folder");
  const SetVariable weights("KESTREL_WEIGHTS", "/no/such/weights");
  const int threads = num_threads();
  set_num_threads(usable_cores() + 3);
  const EnvironmentReport report = examine_environment("/proc/runs");
  set_num_threads(threads);
  EXPECT_TRUE(has_problem(report, "/no/such/folder"));
  EXPECT_TRUE(has_problem(report, "/no/such/weights"));
  EXPECT_TRUE(has_problem(report, "/proc/runs cannot be written"));
  EXPECT_TRUE(has_problem(report, std::to_string(usable_cores() + 3) + " threads"));
  EXPECT_NE(report.text().find("What is wrong"), std::string::npos);
}

TEST(Environment, FindsDataSets) {
  const fs::path folder = fs::temp_directory_path() / "kestrel_environment";
  fs::remove_all(folder);
  for (const char* part : {"Annotations", "JPEGImages", "ImageSets/Main"}) {
    fs::create_directories(folder / "my_voc" / part);
  }
  std::ofstream(folder / "my_voc/ImageSets/Main/train.txt") << "one\n";
  fs::create_directories(folder / "something_else");
  const SetVariable data("KESTREL_DATA", folder.string());
  const std::string text = examine_environment().text();
  fs::remove_all(folder);
  EXPECT_NE(text.find("my_voc (VOC)"), std::string::npos) << text;
  EXPECT_EQ(text.find("something_else"), std::string::npos) << text;
}

TEST(Environment, MachineHasCoresAndMemory) {
  EXPECT_GE(usable_cores(), 1);
  EXPECT_LE(usable_cores(), machine_cores());
  EXPECT_GT(machine_memory().total, int64_t{1} << 28);
  EXPECT_LE(machine_memory().available, machine_memory().total);
  EXPECT_TRUE(is_writable(fs::temp_directory_path() / "not/there/yet"));
  EXPECT_FALSE(is_writable("/proc"));
  EXPECT_GT(free_disk_space(fs::temp_directory_path()), 0);
}

}  // namespace
}  // namespace kestrel
