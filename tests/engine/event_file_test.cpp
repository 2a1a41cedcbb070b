#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <kestrel/engine/records/event_file.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::string read_all(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The lengths of a file's records, each with both of its checksums right.
std::vector<uint64_t> record_lengths(const std::string& file) {
  std::vector<uint64_t> lengths;
  for (size_t at = 0; at < file.size();) {
    uint64_t length = 0;
    std::memcpy(&length, file.data() + at, sizeof length);
    const std::string record = tfrecord(file.substr(at + 12, length));
    EXPECT_EQ(file.compare(at, record.size(), record), 0) << "record " << lengths.size();
    lengths.push_back(length);
    at += record.size();
  }
  return lengths;
}

TEST(EventFile, Crc32cOfKnownTexts) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
}

// Written by TensorBoard's own classes: tests/golden/tensorboard_events.py.
TEST(EventFile, BytesAreThoseOfTensorBoard) {
  std::ifstream in(KESTREL_TEST_DIR "/golden/data/tensorboard_events.json");
  const auto golden = nlohmann::json::parse(in);
  EXPECT_EQ(file_version_event(1700000000.25), from_hex(golden.at("file_version")));
  EXPECT_EQ(session_start_event(1700000000.5, 301), from_hex(golden.at("session_start")));
  const NamedValues values = {{"learning_rate", 0.01},
                              {"train/loss", 1.5},
                              {"val/ap", std::numeric_limits<double>::infinity()}};
  EXPECT_EQ(scalars_event(1700000001.75, 70000, values), from_hex(golden.at("scalars")));
  EXPECT_EQ(tfrecord(scalars_event(1700000001.75, 70000, values)),
            from_hex(golden.at("scalars_record")));
}

TEST(EventFile, GrowsByWholeRecords) {
  const fs::path folder = fs::temp_directory_path() / "kestrel_event_file";
  fs::remove_all(folder);
  fs::create_directories(folder);
  EventFile events(folder, 1);
  EXPECT_TRUE(events.path().filename().string().starts_with("events.out.tfevents."));
  EXPECT_EQ(record_lengths(read_all(events.path())).size(), 2U);
  events.add_scalars(50, {{"train/loss", 1.25}});
  EXPECT_EQ(record_lengths(read_all(events.path())).size(), 3U);
  EXPECT_NE(EventFile(folder, 51).path(), events.path());
  fs::remove_all(folder);
}

TEST(EventFile, NoPlaceToWriteIsAnError) {
  EXPECT_THROW(EventFile("/no/such/folder", 1), DataError);
}

}  // namespace
}  // namespace kestrel
