#include <kestrel/data/file.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "support.h"

namespace kestrel {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// As root, renaming a new file to /dev/null would replace it for the whole machine.
TEST(WriteFile, WhatIsNoRegularFileIsWrittenToAndStays) {
  const test::TempDir dir;
  const fs::path pipe = dir / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  const std::string text = "three words here";
  write_file("test", pipe, std::as_bytes(std::span(text)));
  EXPECT_TRUE(fs::is_fifo(pipe));
  char read[64];
  EXPECT_EQ(::read(reader, read, sizeof read), static_cast<ssize_t>(text.size()));
  ::close(reader);
}

TEST(WriteFile, AnotherNameOfTheFileKeepsWhatItHad) {
  const test::TempDir dir;
  dir.write("mine.txt", "mine");
  fs::create_hard_link(dir / "mine.txt", dir / "hard.txt");
  fs::create_symlink("mine.txt", dir / "link.txt");
  const std::string text = "new";
  for (const char* name : {"hard.txt", "link.txt"}) {
    write_file("test", dir / name, std::as_bytes(std::span(text)));
    EXPECT_EQ(content_of(dir / name), "new");
    EXPECT_EQ(content_of(dir / "mine.txt"), "mine") << name;
  }
}

}  // namespace
}  // namespace kestrel
