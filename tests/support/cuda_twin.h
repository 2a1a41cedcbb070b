#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>

#include <kestrel/kernels/device.h>
#include <kestrel/tensor/tensor.h>

#include "simulator.h"

namespace kestrel::test {

/// Tests of gpu:: kernels beside their cpu:: twins; skipped where there is no CUDA device.
class CudaTwin : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Device::cuda_count() == 0) GTEST_SKIP() << "no CUDA device";
  }
  void TearDown() override {
    if (Device::cuda_count() == 0) return;
    set_simulator_schedule("");
    gpu::set_block_size(256);
  }

  static Stream stream() { return gpu::current_stream(0); }

  /// A copy on the device that begins `shift` elements behind an address fit for vectors.
  static Tensor upload(const Tensor& tensor, int64_t shift = 0) {
    const int64_t n = tensor.numel();
    Tensor room = Tensor::empty({n + shift}, tensor.dtype(), Device::cuda(0));
    Tensor copy = room.slice(shift, n + shift).reshape(tensor.shape());
    copy.copy_from(tensor);
    return copy;
  }

  /// Calls f for sizes of blocks, and for the schedules of the simulator where there is one.
  static void for_each_setting(const std::function<void()>& f) {
    const int blocks[] = {32, 64, 96, 256, 1024};
    const std::vector<std::string> schedules = simulator_schedules();
    for (size_t i = 0; i < std::max(std::size(blocks), schedules.size()); ++i) {
      const int block = blocks[i % std::size(blocks)];
      const std::string schedule = schedules.empty() ? "" : schedules[i % schedules.size()];
      SCOPED_TRACE(::testing::Message() << "block of " << block << ", " << schedule);
      gpu::set_block_size(block);
      set_simulator_schedule(schedule);
      f();
    }
  }

  static void expect_same_bits(const Tensor& got, const Tensor& want) {
    const Tensor host = got.to(Device::cpu());
    ASSERT_EQ(host.dtype(), want.dtype());
    ASSERT_EQ(host.shape(), want.shape());
    EXPECT_TRUE(want.numel() == 0 || std::memcmp(host.raw(), want.raw(), want.bytes()) == 0);
  }
};

}  // namespace kestrel::test
