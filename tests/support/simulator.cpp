#include "simulator.h"

#include <gtest/gtest.h>

#ifdef KESTREL_SIM
#include <cuda_sim/control.h>

namespace kestrel::test {
namespace {

class Watcher : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override { cuda_sim::take_reports(); }
  void OnTestEnd(const ::testing::TestInfo&) override {
    for (const cuda_sim::Report& report : cuda_sim::take_reports()) {
      ADD_FAILURE() << cuda_sim::name_of(report.check) << ": " << report.kernel << ": "
                    << report.text << " (" << report.count << " times)";
    }
  }
};

}  // namespace

void watch_simulator() {
  ::testing::UnitTest::GetInstance()->listeners().Append(new Watcher);
}

std::vector<std::string> simulator_schedules() {
  std::vector<std::string> result;
  for (const char* pace : {"lock-step", "run-ahead"}) {
    for (const char* order : {"ascending", "descending", "random:1", "random:2", "random:3"}) {
      result.push_back(std::string(pace) + ":" + order);
    }
  }
  return result;
}

void set_simulator_schedule(const std::string& schedule) {
  cuda_sim::set_schedule(cuda_sim::parse_schedule(schedule));
}

std::optional<uint64_t> simulator_host_waits() {
  return cuda_sim::host_waits();
}

void stop_watching_simulator() {
  cuda_sim::stop_tracking();
}

}  // namespace kestrel::test

#else

namespace kestrel::test {

void watch_simulator() {}
std::vector<std::string> simulator_schedules() {
  return {};
}
void set_simulator_schedule(const std::string&) {}
std::optional<uint64_t> simulator_host_waits() {
  return std::nullopt;
}
void stop_watching_simulator() {}

}  // namespace kestrel::test
#endif
