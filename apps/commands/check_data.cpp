#include "check_data.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
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

/// A part of the data set, and what opens it; or why it cannot be opened.
struct Part {
  Split split;
  DatasetOptions options;
  std::string problem;
};

/// The parts, each once: val and test may stand in for each other. Throws where there is none.
std::vector<Part> find_parts(const CheckDataOptions& o) {
  if (o.data == "shapes") {
    std::vector<Part> parts;
    for (const Split split : chosen_splits(o.split)) {
      parts.push_back({split, ShapesDatasetOptions{.split = to_string(split)}, ""});
    }
    return parts;
  }
  const auto folder = find_dataset(o.data);
  std::vector<Part> parts;
  std::optional<DataError> first_error;
  for (const Split split : chosen_splits(o.split)) {
    try {
      const DatasetOptions options = recognise(folder, split);
      const auto is_same = [&](const Part& part) {
        return part.problem.empty() && to_config(part.options) == to_config(options);
      };
      if (std::ranges::none_of(parts, is_same)) parts.push_back({split, options, ""});
    } catch (const DataError& error) {
      if (!first_error) first_error = error;
      parts.push_back({split, {}, error.what()});
    }
  }
  const auto is_wrong = [](const Part& part) { return !part.problem.empty(); };
  if (std::ranges::all_of(parts, is_wrong)) throw DataError(*first_error);
  return parts;
}

std::unique_ptr<Dataset> open_part(const Part& part, const std::vector<std::string>& classes) {
  DatasetOptions options = part.options;
  std::visit(
      [&](auto& o) {
        o.classes = classes;
        if constexpr (requires { o.test_mode; }) o.test_mode = true;
      },
      options);
  return make_dataset(options);
}

int64_t check_part(const CheckDataOptions& o, const Dataset& dataset, Split split,
                   const LogSink& log) {
  const DatasetReport report =
      check_dataset(dataset, {.decode = !o.fast, .progress = [&](int64_t done, int64_t total) {
                                if (!log.progress) return;
                                log.progress(done == total ? ""
                                                           : std::to_string(done) + " of " +
                                                                 std::to_string(total) + " images");
                              }});
  log.line(o.data + ", " + to_string(split) + " (" + dataset.name() + ")");
  log.line(report_text(dataset, report));
  return report.problems();
}

/// Every part, with the classes of the first as training and evaluation have them.
void run_check_data(const CheckDataOptions& o) {
  use_threads(o.threads);
  const LogSink log = console_log();
  int64_t problems = 0;
  std::vector<std::string> classes;
  for (const Part& part : find_parts(o)) {
    std::string problem = part.problem;
    std::unique_ptr<Dataset> dataset;
    try {
      if (problem.empty()) dataset = open_part(part, classes);
    } catch (const DataError& error) {
      problem = error.what();
    }
    if (!dataset) {
      log.line(o.data + ", " + to_string(part.split) + " cannot be used:\n  " + problem + "\n");
      ++problems;
      continue;
    }
    if (classes.empty()) classes = dataset->class_names();
    problems += check_part(o, *dataset, part.split, log);
  }
  if (problems == 0) {
    log.line("Nothing is wrong.");
  } else if (o.strict) {
    fail<DataError>("[check-data] ", o.data, ": ", problems, " problems (see above)");
  } else {
    log.line(std::to_string(problems) +
             " problems. What is dropped, missing or corrupt is left out in training; images of "
             "another size and boxes past the edge are trained on.");
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
