#pragma once

#include <functional>
#include <string>
#include <vector>

/// What tests ask of simulated CUDA; nothing happens in other builds.
namespace kestrel::testing {

/// From now on a mistake that the simulator finds fails the test in which it happened.
void watch_simulator();

/// The orders in which kernels are tried: lock-step and run-ahead, each ascending, descending and
/// by three seeds. Empty where CUDA is not simulated.
std::vector<std::string> simulator_schedules();
void set_simulator_schedule(const std::string& schedule);

}  // namespace kestrel::testing
