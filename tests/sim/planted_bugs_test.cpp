#include <fstream>

#include <gtest/gtest.h>

#include <cuda_runtime.h>

#include "planted_bugs.h"

namespace {

using cuda_sim::Order;
using cuda_sim::Pace;
using cuda_sim::Schedule;

/// The line of planted_bugs.cu that ends in "// PLANTED <name>".
int planted_line(const std::string& name) {
  std::ifstream file(SIM_TEST_DIR "/planted_bugs.cu");
  std::string line;
  const std::string mark = "// PLANTED " + name;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.size() >= mark.size() &&
        line.compare(line.size() - mark.size(), mark.size(), mark) == 0) {
      return number;
    }
  }
  return 0;
}

const std::vector<Schedule>& schedules() {
  static const std::vector<Schedule> all = [] {
    std::vector<Schedule> result;
    for (const Pace pace : {Pace::LockStep, Pace::RunAhead}) {
      result.push_back({pace, Order::Ascending, 0});
      result.push_back({pace, Order::Descending, 0});
      for (uint64_t seed = 1; seed <= 3; ++seed) result.push_back({pace, Order::Random, seed});
    }
    return result;
  }();
  return all;
}

class PlantedBug : public ::testing::TestWithParam<planted::Bug> {
 protected:
  void TearDown() override {
    cuda_sim::set_schedule({});
    cuda_sim::take_reports();
    cudaGetLastError();
  }
};

TEST_P(PlantedBug, IsReportedAtItsLineUnderEverySchedule) {
  const planted::Bug& bug = GetParam();
  for (const Schedule& schedule : schedules()) {
    SCOPED_TRACE(cuda_sim::to_string(schedule));
    cuda_sim::set_schedule(schedule);
    cuda_sim::take_reports();
    bug.run();
    cudaGetLastError();
    const auto reports = cuda_sim::take_reports();
    bool found = false;
    std::string all;
    const std::string place = "planted_bugs.cu:" + std::to_string(planted_line(bug.name));
    for (const auto& report : reports) {
      all += std::string(cuda_sim::name_of(report.check)) + ": " + report.text + "\n";
      const bool here = bug.of_the_host || report.text.find(place) != std::string::npos;
      found = found || (report.check == bug.check && here);
    }
    EXPECT_TRUE(found) << "expected " << cuda_sim::name_of(bug.check) << " at "
                       << (bug.of_the_host ? "the host" : place) << "; reported:\n"
                       << all;
  }
}

INSTANTIATE_TEST_SUITE_P(Simulator, PlantedBug, ::testing::ValuesIn(planted::bugs()),
                         [](const auto& bug) { return bug.param.name; });

TEST(PlantedBugs, AreAtLeast25) {
  EXPECT_TRUE(cuda_sim::tracks_accesses());
  EXPECT_GE(planted::bugs().size(), 25u);
}

}  // namespace
