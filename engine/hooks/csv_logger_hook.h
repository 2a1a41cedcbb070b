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
/// empty. The file is rewritten as a whole, so it is complete at any time. Rows are part of a
/// resume file: a run that continues has those that belong to what it continues from. VeryLow.
class CsvLoggerHook final : public Hook {
 public:
  explicit CsvLoggerHook(std::filesystem::path file);

  void before_epoch(Runner& runner) override;
  void after_iter(Runner& runner) override;
  void after_epoch(Runner& runner) override;
  void save(Safetensors& state) const override;
  void load(const Safetensors& state) override;

 private:
  using Row = std::map<std::string, std::string>;

  void set(Row& row, const std::string& column, std::string text);
  std::string text() const;
  double epoch_seconds() const;

  std::filesystem::path file_;
  std::vector<std::string> columns_ = {"epoch", "lr", "seconds"};
  std::vector<Row> rows_;
  MeanLosses losses_;
  std::chrono::steady_clock::time_point epoch_start_;
  double earlier_seconds_ = 0;  // of the epoch, before the run was continued
};

}  // namespace kestrel
