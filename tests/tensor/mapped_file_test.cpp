#include <kestrel/tensor/mapped_file.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/tensor/file_descriptor.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

class MappedFiles : public testing::Test {
 protected:
  void SetUp() override { std::ofstream(file_, std::ios::binary) << std::string(kBytes, 'a'); }
  void TearDown() override { fs::remove(file_); }

  static size_t resident_pages(const std::byte* memory) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    std::vector<uint64_t> flags(kBytes / page);
    const FileDescriptor table(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    EXPECT_GT(::pread(table.get(), flags.data(), flags.size() * 8,
                      static_cast<off_t>(reinterpret_cast<uintptr_t>(memory) / page * 8)),
              0);
    size_t count = 0;
    for (const uint64_t each : flags) count += each >> 63;
    return count;
  }

  static int64_t sum(std::span<const std::byte> bytes) {
    int64_t total = 0;
    for (const std::byte b : bytes) total += static_cast<int64_t>(b);
    return total;
  }

  static constexpr size_t kBytes = size_t{1} << 20;
  fs::path file_ = fs::temp_directory_path() / ("kestrel_mapped_" + std::to_string(getpid()));
};

TEST_F(MappedFiles, ForgottenPagesLeaveMemoryAndComeBack) {
  const MappedFile file("test", file_);
  const int64_t before = sum(file.bytes());
  ASSERT_GT(resident_pages(file.bytes().data()), 200u);
  forget_mapped_pages(file.bytes().data(), kBytes);
  EXPECT_LE(resident_pages(file.bytes().data()), 1u);
  EXPECT_EQ(sum(file.bytes()), before);
}

TEST_F(MappedFiles, WhatWasWrittenStaysInThisProcess) {
  const MappedFile file("test", file_);
  auto* bytes = const_cast<std::byte*>(file.bytes().data());
  bytes[kBytes / 2] = std::byte{'b'};
  forget_mapped_pages(bytes, kBytes);
  EXPECT_EQ(bytes[kBytes / 2], std::byte{'b'});
  EXPECT_EQ(sum(file.bytes()), static_cast<int64_t>(kBytes) * 'a' + 1);
  EXPECT_EQ(sum(MappedFile("test", file_).bytes()), static_cast<int64_t>(kBytes) * 'a');
}

TEST_F(MappedFiles, OtherMemoryIsLeftAlone) {
  std::vector<std::byte> memory(kBytes, std::byte{3});
  forget_mapped_pages(memory.data(), kBytes);
  EXPECT_EQ(sum(memory), static_cast<int64_t>(3 * kBytes));
}

}  // namespace
}  // namespace kestrel
