#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <kestrel/engine/hooks/hook.h>
#include <kestrel/engine/hooks/mean_losses.h>

namespace kestrel {

/// Keeps results.csv: a row per epoch with the columns epoch, lr, the losses (means over the
/// epoch), the metrics, and seconds (training and evaluation together). A cell without a value is
/// empty. The file is rewritten as a whole, so it is complete at any time; rows of epochs before
/// the first of this run stay. VeryLow.
class CsvLoggerHook final : public Hook {
 public:
  explicit CsvLoggerHook(std::filesystem::path file);

  void before_run(Runner& runner) override;
  void before_epoch(Runner& runner) override;
  void after_iter(Runner& runner) override;
  void after_epoch(Runner& runner) override;

 private:
  using Row = std::map<std::string, std::string>;

  void read_rows_before(int64_t epoch);
  void set(Row& row, const std::string& column, std::string text);
  void write() const;

  std::filesystem::path file_;
  std::vector<std::string> columns_;
  std::vector<Row> rows_;
  MeanLosses losses_;
  std::chrono::steady_clock::time_point epoch_start_;
};

}  // namespace kestrel
