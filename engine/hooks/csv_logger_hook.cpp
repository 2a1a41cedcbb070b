#include <kestrel/engine/hooks/csv_logger_hook.h>

#include <algorithm>
#include <cstdlib>
#include <span>
#include <sstream>

#include <fmt/format.h>

#include <kestrel/data/file.h>
#include <kestrel/engine/hooks/hook_context.h>
#include <kestrel/tensor/safetensors.h>

namespace kestrel {
namespace {

constexpr const char* kRows = "csv.rows";
constexpr const char* kLosses = "csv.losses";
constexpr const char* kSeconds = "csv.seconds";

const bool kCsvRegistered = register_hook<NoOptions>(
    "CsvLoggerHook", "writes results.csv, a row per epoch",
    [](const Config& node, const HookContext& context) {
      read_options<NoOptions>(node, {}, {"type"});
      return std::make_unique<CsvLoggerHook>(context.folder / "results.csv");
    });

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
  return cells;
}

std::string number(double value) {
  return fmt::format("{:.6g}", value);
}

}  // namespace

CsvLoggerHook::CsvLoggerHook(std::filesystem::path file) : file_(std::move(file)) {}

void CsvLoggerHook::save(Safetensors& state) const {
  state.metadata[kRows] = text();
  state.metadata[kLosses] = losses_.to_text();
  state.metadata[kSeconds] = fmt::format("{}", epoch_seconds());
}

void CsvLoggerHook::load(const Safetensors& state) {
  const auto metadata = [&](const char* key) {
    const auto found = state.metadata.find(key);
    return found == state.metadata.end() ? std::string() : found->second;
  };
  losses_ = MeanLosses::from_text(metadata(kLosses));
  earlier_seconds_ = std::strtod(metadata(kSeconds).c_str(), nullptr);
  std::istringstream lines(metadata(kRows));
  std::string line;
  if (!std::getline(lines, line)) return;
  const std::vector<std::string> header = split(line);
  while (std::getline(lines, line)) {
    const std::vector<std::string> cells = split(line);
    Row row;
    for (size_t i = 0; i < std::min(cells.size(), header.size()); ++i) {
      set(row, header[i], cells[i]);
    }
    rows_.push_back(std::move(row));
  }
}

void CsvLoggerHook::set(Row& row, const std::string& column, std::string text) {
  if (std::ranges::find(columns_, column) == columns_.end()) {
    columns_.insert(columns_.end() - 1, column);
  }
  row[column] = std::move(text);
}

void CsvLoggerHook::before_epoch(Runner& runner) {
  epoch_start_ = std::chrono::steady_clock::now();
  if (runner.inner_iter() > 0) return;  // continues within the epoch
  losses_.reset();
  earlier_seconds_ = 0;
}

double CsvLoggerHook::epoch_seconds() const {
  const auto elapsed = std::chrono::steady_clock::now() - epoch_start_;
  return earlier_seconds_ + std::chrono::duration<double>(elapsed).count();
}

void CsvLoggerHook::after_iter(Runner& runner) {
  losses_.add(runner.result());
}

void CsvLoggerHook::after_epoch(Runner& runner) {
  Row row;
  set(row, "epoch", std::to_string(runner.epoch() + 1));
  set(row, "lr", number(runner.lr));
  for (const auto& [name, value] : losses_.means()) set(row, name, number(value));
  for (const auto& [name, value] : runner.metrics) set(row, name, number(value));
  set(row, "seconds", fmt::format("{:.1f}", epoch_seconds()));
  rows_.push_back(std::move(row));
  const std::string all = text();
  write_file("results", file_, std::as_bytes(std::span(all)));
}

std::string CsvLoggerHook::text() const {
  std::string text;
  const auto append_line = [&](auto&& cell_of) {
    for (size_t i = 0; i < columns_.size(); ++i) text += (i ? "," : "") + cell_of(columns_[i]);
    text += '\n';
  };
  append_line([](const std::string& column) { return column; });
  for (const Row& row : rows_) {
    append_line([&](const std::string& column) {
      const auto cell = row.find(column);
      return cell == row.end() ? std::string() : cell->second;
    });
  }
  return text;
}

}  // namespace kestrel
