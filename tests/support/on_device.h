#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/kernels/device.h>
#include <kestrel/tensor/device.h>

namespace kestrel::test {

/// Tests that run on every device: the CPU, and CUDA, real or simulated, where there is one.
class OnDevice : public ::testing::TestWithParam<Device> {
 protected:
  static Device device() { return GetParam(); }
};

inline std::vector<Device> devices() {
  std::vector<Device> result{Device::cpu()};
  if (Device::cuda_count() > 0) result.push_back(Device::cuda(0));
  return result;
}

inline std::string device_name(const ::testing::TestParamInfo<Device>& device) {
  return device.param.is_cuda() ? "Cuda" : "Cpu";
}

}  // namespace kestrel::test

/// Runs the TEST_Ps of a suite that derives from OnDevice on each.
#define KESTREL_ON_DEVICES(suite)                                                      \
  INSTANTIATE_TEST_SUITE_P(On, suite, ::testing::ValuesIn(::kestrel::test::devices()), \
                           ::kestrel::test::device_name)
