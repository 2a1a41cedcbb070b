#include <map>

#include <gtest/gtest.h>

#include <cuda_sim/control.h>

#include "profiled_kernels.h"

namespace {

using cuda_sim::Order;
using cuda_sim::Pace;

class ProfileTest : public ::testing::TestWithParam<cuda_sim::Schedule> {
 protected:
  void SetUp() override {
    cuda_sim::set_schedule(GetParam());
    cuda_sim::clear_profiles();
    cuda_sim::set_profiling(true);
    planted::run_profiled_kernels();
    cuda_sim::set_profiling(false);
    for (const auto& profile : cuda_sim::profiles()) profiles_[profile.kernel] = profile;
  }
  void TearDown() override {
    cuda_sim::set_schedule({});
    cuda_sim::clear_profiles();
    EXPECT_TRUE(cuda_sim::take_reports().empty());
  }
  std::map<std::string, cuda_sim::Profile> profiles_;
};

TEST_P(ProfileTest, CountsSectorsOfGlobalMemory) {
  const auto& coalesced = profiles_["planted::copy_coalesced"];
  EXPECT_EQ(coalesced.load_requests, 2u);
  EXPECT_EQ(coalesced.load_sectors, 8u);
  EXPECT_EQ(coalesced.load_sectors_least, 8u);
  EXPECT_EQ(coalesced.store_sectors, 8u);
  EXPECT_EQ(coalesced.load_bytes, 256u);
  EXPECT_EQ(profiles_["planted::copy_strided"].load_sectors, 16u);
  EXPECT_EQ(profiles_["planted::copy_strided"].store_sectors, 8u);
  EXPECT_EQ(profiles_["planted::copy_vectors"].load_requests, 2u);
  EXPECT_EQ(profiles_["planted::copy_vectors"].load_sectors, 32u);
}

TEST_P(ProfileTest, CountsBankConflicts) {
  EXPECT_EQ(profiles_["planted::vectors_in_shared"].shared_requests, 2u);
  EXPECT_EQ(profiles_["planted::vectors_in_shared"].shared_conflicts, 0u);
  EXPECT_EQ(profiles_["planted::transpose_in_one_bank"].shared_requests, 64u);
  EXPECT_EQ(profiles_["planted::transpose_in_one_bank"].shared_conflicts, 32u * 31u);
  EXPECT_EQ(profiles_["planted::transpose_padded"].shared_conflicts, 0u);
}

TEST(SampledBlocks, AreCarriedOutAndCounted) {
  cuda_sim::clear_profiles();
  cuda_sim::set_profiling(true);
  cuda_sim::sample_blocks(2);
  planted::run_eight_blocks();
  cuda_sim::sample_blocks(0);
  cuda_sim::set_profiling(false);
  for (const auto& profile : cuda_sim::profiles()) {
    if (profile.launches == 0) continue;
    EXPECT_EQ(profile.kernel, "planted::copy_by_block");
    EXPECT_EQ(profile.grid_blocks, 8u);
    EXPECT_EQ(profile.blocks, 2u);
    EXPECT_EQ(profile.load_sectors, 8u);
  }
  EXPECT_FALSE(cuda_sim::profiles().empty());
  cuda_sim::clear_profiles();
}

INSTANTIATE_TEST_SUITE_P(Simulator, ProfileTest,
                         ::testing::Values(cuda_sim::Schedule{Pace::LockStep, Order::Ascending, 0},
                                           cuda_sim::Schedule{Pace::RunAhead, Order::Random, 1}),
                         [](const auto& schedule) {
                           return schedule.index == 0 ? "LockStep" : "RunAhead";
                         });

}  // namespace
