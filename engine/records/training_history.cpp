#include <kestrel/engine/records/training_history.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include <nlohmann/json.hpp>

#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Throws where it is none.
HistoryRecord from_json(const Json& object) {
  HistoryRecord record;
  for (const auto& [key, value] : object.items()) {
    if (key == "mode") {
      record.mode = value.get<std::string>();
    } else if (key == "epoch") {
      record.epoch = value.get<int64_t>();
    } else if (key == "iter") {
      record.iter = value.get<int64_t>();
    } else if (key == "iters_per_epoch") {
      record.iters_per_epoch = value.get<int64_t>();
    } else {
      record.values.emplace_back(key, value.is_null() ? kNaN : value.get<double>());
    }
  }
  if (record.mode.empty() || record.iters_per_epoch < 1) {
    fail<DataError>("mode or iters_per_epoch is missing");
  }
  return record;
}

}  // namespace

double HistoryRecord::value(const std::string& name) const {
  const auto found = std::ranges::find(values, name, [](const auto& entry) { return entry.first; });
  return found == values.end() ? kNaN : found->second;
}

std::string to_json_line(const HistoryRecord& record) {
  Json object = {{"mode", record.mode},
                 {"epoch", record.epoch},
                 {"iter", record.iter},
                 {"iters_per_epoch", record.iters_per_epoch}};
  for (const auto& [name, value] : record.values) {
    object[name] = std::isfinite(value) ? Json(value) : Json(nullptr);
  }
  return object.dump() + '\n';
}

std::vector<HistoryRecord> read_history(const std::filesystem::path& file) {
  std::vector<HistoryRecord> records;
  std::ifstream in(file);
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (in.eof()) break;  // without its line feed: cut
    try {
      records.push_back(from_json(Json::parse(line)));
    } catch (const std::exception& error) {
      fail<DataError>("[metrics] ", file.string(), ":", number, ": is no record: ", error.what());
    }
  }
  return records;
}

}  // namespace kestrel
