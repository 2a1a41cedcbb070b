#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include <kestrel/engine/records/training_history.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

class TrainingHistory : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(file_); }
  void write(const std::string& text) const { std::ofstream(file_) << text; }

  std::filesystem::path file_ =
      std::filesystem::temp_directory_path() / "kestrel_training_history.jsonl";
  HistoryRecord record_{.mode = "train",
                        .epoch = 2,
                        .iter = 300,
                        .iters_per_epoch = 200,
                        .values = {{"lr", 0.1},
                                   {"loss", std::numeric_limits<double>::quiet_NaN()},
                                   {"a \"name\"", 1.0 / 3}}};
};

TEST_F(TrainingHistory, LinesReadBack) {
  EXPECT_EQ(to_json_line(record_),
            "{\"mode\":\"train\",\"epoch\":2,\"iter\":300,\"iters_per_epoch\":200,\"lr\":0.1,"
            "\"loss\":null,\"a \\\"name\\\"\":0.3333333333333333}\n");
  write(to_json_line(record_) + to_json_line(record_));
  const auto records = read_history(file_);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[1].mode, "train");
  EXPECT_EQ(records[1].epochs(), 1.5);
  EXPECT_EQ(records[1].value("a \"name\""), 1.0 / 3);
  EXPECT_TRUE(std::isnan(records[1].value("loss")));
  EXPECT_TRUE(std::isnan(records[1].value("no such value")));
}

TEST_F(TrainingHistory, ALineCutByACrashIsLeftOut) {
  const std::string line = to_json_line(record_);
  write(line + line.substr(0, 40));
  EXPECT_EQ(read_history(file_).size(), 1U);
  EXPECT_TRUE(read_history("no_such_file.jsonl").empty());
}

TEST_F(TrainingHistory, DamageIsNamedWithItsLine) {
  for (const std::string bad : {"{\"mode\": 3}", "not JSON", "{\"loss\": \"high\"}", "[]"}) {
    write(to_json_line(record_) + bad + '\n' + to_json_line(record_));
    try {
      read_history(file_);
      FAIL() << bad;
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find(".jsonl:2"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace kestrel
