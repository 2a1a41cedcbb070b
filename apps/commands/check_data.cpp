#include "check_data.h"

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <kestrel/data/check_dataset.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/kernels/error.h>

#include "../program.h"
#include "../run_options.h"

namespace kestrel::apps {
namespace {

struct CheckDataOptions {
  std::string data;
  std::string split = "all";
  int64_t threads = 0;
  bool fast = false;
  bool strict = false;
};

std::vector<Split> chosen_splits(const std::string& name) {
  if (name == "train") return {Split::Train};
  if (name == "val") return {Split::Val};
  if (name == "test") return {Split::Test};
  return {Split::Train, Split::Val, Split::Test};
}

/// The parts that are there, each once: val and test may stand in for each other.
std::vector<Split> distinct_splits(const CheckDataOptions& o) {
  std::vector<Split> chosen = chosen_splits(o.split);
  if (o.data == "shapes" || chosen.size() == 1) return chosen;
  const auto folder = find_dataset(o.data);
  std::vector<Split> splits;
  std::vector<Config> seen;
  std::optional<DataError> first_error;
  for (const Split split : chosen) {
    try {
      Config options = to_config(recognise(folder, split));
      options.erase("split");
      if (std::ranges::find(seen, options) != seen.end()) continue;
      seen.push_back(options);
      splits.push_back(split);
    } catch (const DataError& error) {
      if (!first_error) first_error = error;
    }
  }
  if (splits.empty() && first_error) throw DataError(*first_error);
  return splits;
}

void run_check_data(const CheckDataOptions& o) {
  use_threads(o.threads);
  const LogSink log = console_log();
  int64_t problems = 0;
  for (const Split split : distinct_splits(o)) {
    const auto dataset = open_dataset({.name_or_path = o.data, .split = split, .test_mode = true});
    const DatasetReport report = check_dataset(
        *dataset, {.decode = !o.fast, .progress = [&](int64_t done, int64_t total) {
                     if (!log.progress) return;
                     log.progress(done == total ? ""
                                                : std::to_string(done) + " of " +
                                                      std::to_string(total) + " images");
                   }});
    log.line(o.data + ", " + to_string(split) + " (" + dataset->name() + ")");
    log.line(report_text(*dataset, report));
    problems += report.problems();
  }
  if (problems == 0) {
    log.line("Nothing is wrong.");
  } else if (o.strict) {
    fail<DataError>("[check-data] ", o.data, ": ", problems, " problems (see above)");
  } else {
    log.line(std::to_string(problems) + " problems; what is wrong is left out in training.");
  }
}

}  // namespace

void add_check_data(CLI::App& app) {
  auto options = std::make_shared<CheckDataOptions>();
  CLI::App* command = app.add_subcommand(
      "check-data",
      "read all of a data set: what is there, missing, corrupt, and how it is made up");
  command
      ->add_option("data", options->data,
                   "shapes, a name such as coco, a directory, or a YOLO data set's YAML")
      ->required();
  command->add_option("--split", options->split, "all, train, val or test")
      ->check(CLI::IsMember({"all", "train", "val", "test"}))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "that read images; 0: all cores")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--fast", options->fast, "read only the images' headers");
  command->add_flag("--strict", options->strict, "exit with 3 where something is wrong");
  command->callback([options] { run_check_data(*options); });
}

}  // namespace kestrel::apps
