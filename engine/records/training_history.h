#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <kestrel/engine/runner.h>

namespace kestrel {

/// One line of metrics.jsonl: what training did since the line before, or what an evaluation gave.
struct HistoryRecord {
  std::string mode;             ///< "train" or "val".
  int64_t epoch = 0;            ///< The current one, from 1.
  int64_t iter = 0;             ///< Finished iterations, over all epochs.
  int64_t iters_per_epoch = 0;  ///< So that iter / iters_per_epoch is the time in epochs.
  NamedValues values;           ///< NaN where a value was not finite.

  double epochs() const { return static_cast<double>(iter) / static_cast<double>(iters_per_epoch); }
  /// NaN where there is no such value.
  double value(const std::string& name) const;
};

/// A JSON object in one line, ended by a line feed:
///
///   {"mode":"train","epoch":1,"iter":50,"iters_per_epoch":147,"lr":0.01,"loss":1.2345}
///
/// JSON has no NaN: what is not finite becomes null.
std::string to_json_line(const HistoryRecord& record);

/// The records of a metrics.jsonl; empty where there is no such file. A last line that a crash cut
/// is left out, any other line that is no record is a DataError.
std::vector<HistoryRecord> read_history(const std::filesystem::path& file);

}  // namespace kestrel
