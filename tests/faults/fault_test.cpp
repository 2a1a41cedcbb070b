#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/engine/checkpoints/checkpoint.h>
#include <kestrel/tensor/safetensors.h>

#include "child.h"

// For every operation on checkpoint files that a run does: it fails there, or the process ends
// there. A run that goes on afterwards ends with the weights of one that nothing happened to.

namespace kestrel::test {
namespace {

namespace fs = std::filesystem;

struct Operation {
  int64_t number = 0;
  std::string name;
  std::string path;
  std::string target;  ///< Of a rename.
};

std::vector<Operation> operations_in(const fs::path& log) {
  std::vector<Operation> operations;
  std::istringstream lines(bytes_of(log));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    Operation& o = operations.emplace_back();
    words >> o.number >> o.name >> o.path >> o.target;
  }
  return operations;
}

class Faults : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fresh_folder(::testing::UnitTest::GetInstance()->current_test_info()->name());
    const Finished whole = run_with("", "");
    ASSERT_EQ(whole.code, 0) << whole.errors;
    ASSERT_EQ(whole.errors, "");
    weights_ = whole.output;
    all_ = operations_in(folder_ / "log");
    ASSERT_GT(all_.size(), 100u);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path run_folder() const { return folder_ / "run"; }

  /// A run from the start, with a fault; "" for none.
  Finished run_with(const std::string& fault, const std::string& mode) {
    fs::remove_all(run_folder());
    fs::remove(folder_ / "log");
    fs::create_directories(run_folder());
    Environment environment = {{"LD_PRELOAD", KESTREL_FAULT_SHIM},
                               {"KESTREL_FAULT_LOG", (folder_ / "log").string()}};
    if (!fault.empty()) environment.emplace_back("KESTREL_FAULT", fault + mode);
    return run({KESTREL_SAVING_RUN, run_folder().string()}, folder_, environment);
  }

  /// Whether the run's log says that a file came to its place before operation n.
  bool was_saved(const std::string& name, int64_t n) const {
    for (const Operation& o : operations_in(folder_ / "log")) {
      if (o.number < n && o.name == "rename" && o.target.ends_with("/" + name)) return true;
    }
    return false;
  }

  /// What was once there is still there and can be read; and the run can go on to its end.
  void expect_nothing_lost(int64_t n) {
    if (was_saved("run/resume.safetensors", n)) {
      EXPECT_NO_THROW(read_resume_file(resume_file(run_folder())));
    }
    for (const char* name : {"weights/last.safetensors", "weights/best.safetensors"}) {
      if (was_saved(name, n)) {
        EXPECT_NO_THROW(read_safetensors(run_folder() / name));
      }
    }
    const Finished resumed = run({KESTREL_SAVING_RUN, run_folder().string()}, folder_);
    EXPECT_EQ(resumed.code, 0) << resumed.errors;
    EXPECT_EQ(resumed.output, weights_);
  }

  fs::path folder_;
  std::string weights_;
  std::vector<Operation> all_;  ///< Of a run without a fault.
};

/// Whether an operation is on a file that is only read, where a failure may do no harm.
bool is_of_reading(const Operation& o, const std::vector<Operation>& log) {
  if (o.name == "open") return true;
  bool reading = false;
  for (const Operation& before : log) {
    if (before.number >= o.number) break;
    if (before.path == o.path && before.name == "open") reading = true;
    if (before.path == o.path && before.name == "create") reading = false;
  }
  return reading && o.name != "rename";
}

TEST_F(Faults, AnErrorOnceIsToldAndMadeUpFor) {
  for (const Operation& o : all_) {
    for (const auto& [kind, reason] :
         {std::pair{"ENOSPC", "No space left on device"}, std::pair{"EIO", "Input/output error"}}) {
      if ((o.number % 2 == 0) == (std::string(kind) == "EIO")) continue;  // half of them each
      SCOPED_TRACE(std::string(kind) + " at " + std::to_string(o.number) + " " + o.name + " " +
                   o.path);
      const Finished result = run_with(std::to_string(o.number) + ":" + kind, "");
      const std::vector<Operation> log = operations_in(folder_ / "log");
      ASSERT_GE(log.size(), static_cast<size_t>(o.number));
      const Operation& hit = log[static_cast<size_t>(o.number) - 1];
      EXPECT_EQ(result.code, 0) << result.errors;
      EXPECT_EQ(result.output, weights_);
      if (!is_of_reading(hit, log)) {
        EXPECT_NE(result.errors.find(reason), std::string::npos) << result.errors;
      }
      EXPECT_NO_THROW(read_safetensors(run_folder() / "weights/last.safetensors"));
      EXPECT_NO_THROW(read_safetensors(run_folder() / "weights/best.safetensors"));
      expect_nothing_lost(o.number);
      if (HasFailure()) return;
    }
  }
}

TEST_F(Faults, AFullDiskEndsInAnErrorAndLosesNothing) {
  for (const Operation& o : all_) {
    SCOPED_TRACE("from " + std::to_string(o.number) + " " + o.name + " " + o.path);
    const Finished result = run_with(std::to_string(o.number) + ":ENOSPC", ":always");
    // Beyond the last rename there is nothing left that could fail to be saved.
    if (o.number + 8 < static_cast<int64_t>(all_.size())) {
      EXPECT_NE(result.errors.find("No space left on device"), std::string::npos) << result.errors;
      EXPECT_EQ(result.code, 1) << result.errors;
      EXPECT_NE(result.errors.find("error: "), std::string::npos) << result.errors;
    }
    expect_nothing_lost(o.number);
    if (HasFailure()) return;
  }
}

TEST_F(Faults, AShortWriteIsNoFile) {
  for (const Operation& o : all_) {
    if (o.name != "write") continue;
    SCOPED_TRACE("at " + std::to_string(o.number) + " " + o.path);
    const Finished result = run_with(std::to_string(o.number) + ":short", "");
    EXPECT_EQ(result.code, 0) << result.errors;
    EXPECT_EQ(result.output, weights_);
    const std::vector<Operation> log = operations_in(folder_ / "log");
    if (log[static_cast<size_t>(o.number) - 1].name == "write") {
      EXPECT_NE(result.errors.find("No space left on device"), std::string::npos) << result.errors;
    }
    expect_nothing_lost(o.number);
    if (HasFailure()) return;
  }
}

TEST_F(Faults, AKilledRunGoesOnWhereverItWas) {
  for (const Operation& o : all_) {
    SCOPED_TRACE("at " + std::to_string(o.number) + " " + o.name + " " + o.path);
    const Finished result = run_with(std::to_string(o.number) + ":kill", "");
    EXPECT_EQ(result.code, -9);
    expect_nothing_lost(o.number);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace kestrel::test
