#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

/// What tests ask of simulated CUDA; nothing happens in other builds.
namespace kestrel::test {

/// From now on a mistake that the simulator finds fails the test in which it happened.
void watch_simulator();

/// The orders in which kernels are tried: lock-step and run-ahead, each ascending, descending and
/// by three seeds. Empty where CUDA is not simulated.
std::vector<std::string> simulator_schedules();
void set_simulator_schedule(const std::string& schedule);

/// How often the host has waited for a simulated device.
std::optional<uint64_t> simulator_host_waits();

/// For the rest of the process the simulator looks for no more mistakes, and is several times
/// faster: where a test goes on with what it has already been seen to do.
void stop_watching_simulator();

}  // namespace kestrel::test
