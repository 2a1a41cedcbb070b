#include <kestrel/engine/hooks/csv_logger_hook.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

namespace kestrel {
namespace {

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

void CsvLoggerHook::before_run(Runner& runner) {
  columns_ = {"epoch", "lr", "seconds"};
  rows_.clear();
  if (runner.epoch() > 0) read_rows_before(runner.epoch() + 1);
}

void CsvLoggerHook::read_rows_before(int64_t epoch) {
  std::ifstream in(file_);
  std::string line;
  if (!std::getline(in, line)) return;
  const std::vector<std::string> header = split(line);
  while (std::getline(in, line)) {
    const std::vector<std::string> cells = split(line);
    if (cells.empty() || std::atoll(cells[0].c_str()) >= epoch) continue;
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

void CsvLoggerHook::before_epoch(Runner&) {
  losses_.reset();
  epoch_start_ = std::chrono::steady_clock::now();
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
  const auto elapsed = std::chrono::steady_clock::now() - epoch_start_;
  set(row, "seconds", fmt::format("{:.1f}", std::chrono::duration<double>(elapsed).count()));
  rows_.push_back(std::move(row));
  write();
}

void CsvLoggerHook::write() const {
  const std::filesystem::path temporary = file_.string() + ".part";
  {
    std::ofstream out(temporary);
    const auto write_line = [&](auto&& cell_of) {
      for (size_t i = 0; i < columns_.size(); ++i) out << (i ? "," : "") << cell_of(columns_[i]);
      out << '\n';
    };
    write_line([](const std::string& column) { return column; });
    for (const Row& row : rows_) {
      write_line([&](const std::string& column) {
        const auto cell = row.find(column);
        return cell == row.end() ? std::string() : cell->second;
      });
    }
    out.flush();
    if (!out) fail<DataError>(file_.string(), ": cannot be written");
  }
  std::filesystem::rename(temporary, file_);
}

}  // namespace kestrel
