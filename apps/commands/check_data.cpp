#include "check_data.h"

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <kestrel/data/check_dataset.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/data/lint_dataset.h>
#include <kestrel/kernels/error.h>

#include "../data_options.h"
#include "../program.h"
#include "../run_options.h"

namespace kestrel::apps {
namespace {

struct CheckDataOptions {
  std::string data;
  RecogniseOptions recognise;
  std::string split = "all";
  int64_t threads = 0;
  int64_t image_size = 0;
  bool json = false;
  bool fast = false;
  bool strict = false;
};

std::vector<Split> chosen_splits(const std::string& name) {
  if (name == "train") return {Split::Train};
  if (name == "val") return {Split::Val};
  if (name == "test") return {Split::Test};
  return {Split::Train, Split::Val, Split::Test};
}

/// What was found as an object, for scripts.
std::string to_json(const std::vector<std::pair<std::string, DatasetReport>>& reports,
                    const std::vector<std::pair<std::string, std::string>>& unusable,
                    const std::vector<LintFinding>& findings) {
  nlohmann::ordered_json root;
  for (const auto& [name, problem] : unusable) root["unusable"][name] = problem;
  for (const auto& [name, r] : reports) {
    root["parts"][name] = {{"images", r.images},       {"objects", r.objects},
                           {"empty", r.empty},         {"dropped", r.dropped},
                           {"past_edge", r.past_edge}, {"missing", r.missing},
                           {"corrupt", r.corrupt},     {"other_size", r.other_size}};
  }
  root["findings"] = nlohmann::ordered_json::array();
  for (const LintFinding& finding : findings) {
    root["findings"].push_back({{"kind", finding.kind},
                                {"count", finding.count},
                                {"examples", finding.examples},
                                {"advice", finding.advice}});
  }
  return root.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void run_check_data(const CheckDataOptions& o) {
  use_threads(o.threads);
  const LogSink log = console_log();
  const CheckOptions options{
      .decode = !o.fast,
      .progress =
          [&](int64_t done, int64_t total) {
            if (!log.progress) return;
            log.progress(done == total
                             ? ""
                             : std::to_string(done) + " of " + std::to_string(total) + " images");
          },
      .recognise = o.recognise};
  int64_t problems = 0;
  std::string unusable;  // training would not begin
  std::vector<std::pair<std::string, DatasetReport>> reports;
  std::vector<std::pair<std::string, std::string>> unusable_parts;
  const auto parts =
      check_parts(o.data, chosen_splits(o.split), options, [&](const PartReport& part) {
        problems += part.problems();
        const std::string name = o.data + ", " + to_string(part.split);
        if (part.dataset == nullptr) {
          unusable_parts.emplace_back(to_string(part.split), part.problem);
          if (!o.json) log.line(name + " cannot be used:\n  " + part.problem + "\n");
          if (part.split != Split::Test || o.split == "test") unusable = part.problem;
          return;
        }
        reports.emplace_back(to_string(part.split), part.report);
        if (o.json) return;
        log.line(name + " (" + part.dataset->name() + ")");
        log.line(report_text(*part.dataset, part.report));
      });
  if (!unusable.empty() && !o.json) throw DataError(unusable);
  const std::vector<LintFinding> findings =
      lint_parts(parts, {.image_size = o.image_size, .read_files = !o.fast});
  problems += std::ssize(findings);
  if (o.json) {
    log.line(to_json(reports, unusable_parts, findings));
    if (!unusable.empty()) throw DataError(unusable);
    if (problems > 0 && o.strict) {
      fail<DataError>("[check-data] ", o.data, ": ", problems, " problems");
    }
    return;
  }
  if (!findings.empty()) log.line("look at:\n" + lint_text(findings));
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
  add_data_options(*command, options->recognise);
  command->add_option("--split", options->split, "all, train, val or test")
      ->check(CLI::IsMember({"all", "train", "val", "test"}))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "that read images; 0: all cores")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--image-size", options->image_size,
                   "shorter side of the network's input, to judge the boxes by")
      ->check(CLI::PositiveNumber);
  command->add_flag("--json", options->json, "print an object instead");
  command->add_flag("--fast", options->fast, "read only the images' headers");
  command->add_flag("--strict", options->strict, "exit with 3 where something is wrong");
  command->callback([options] { run_check_data(*options); });
}

}  // namespace kestrel::apps
