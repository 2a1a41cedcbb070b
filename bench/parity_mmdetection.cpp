// Compares a detector with MMDetection's own, number by number:
//
//   dump_model.py CONFIG --out DUMP          (Python with MMDetection 2.28)
//   parity_mmdetection CONFIG.py DUMP [--exact DUMP] [--device D] [--json]
//
// Builds the model from MMDetection's config, loads the dump's weights by name, and runs it as the
// dump did: in test mode for the outputs of each part and the detections, in training mode for
// losses and gradients. Prints the largest error of each; exits with 1 where one is beyond its
// tolerance. --exact, which bench/dump_float64.py writes, also tells how far either program is from
// the same model in float64. bench/parity_mmdetection.sh does all steps for many configs.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/registry/registry.h>

#include "parity/answers.h"
#include "parity/compare.h"
#include "parity/dump.h"

namespace kestrel::parity {
namespace {

// Both sides compute in float32 and add in another order, so no tolerance can be zero.

/// Of an output, relative to its largest value. About 1e-6 is seen after a hundred layers.
constexpr double kForward = 1e-4;
/// Of a loss, relative. RetinaNet's are smooth in its outputs; later families have losses that
/// divide by small numbers or choose by them.
constexpr double kRetinaNetLosses = 1e-5;
constexpr double kLosses = 1e-4;
/// Of every parameter's gradient. A ReLU whose input rounds to the other side of zero changes all
/// gradients before it, in either program; that costs some 1e-6.
constexpr double kGradientCosine = 0.9999;
/// A vector of that cosine may be sqrt(1 - cosine^2) longer; this catches a wrong factor.
constexpr double kGradientLength = 0.015;
/// Pixels. Images are some hundred pixels wide, so float32 has 1e-5 of them.
constexpr double kBoxes = 0.01;
constexpr double kScores = 1e-4;

/// Random weights make deep models so sensitive that rounding alone moves them by more than these
/// tolerances: MMDetection's own ResNet-101 in float32 is 3e-4 away from itself in float64. So the
/// report also says what appears in Kestrel's own results where every pixel of the images changes
/// by its last bit. That explains a difference, and excuses none.
/// So many such changes are tried: of a single number, a loss, one may happen to be small.
constexpr uint64_t kNudges = 4;

constexpr DetectionLimits kSameDetection{.box = kBoxes, .score = kScores};

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What was compared, and what of it failed.
struct Result {
  Errors errors;
  Errors rounding;  ///< Of Kestrel's own results where the images change by their last bits.
  Errors limits;
  std::optional<Errors> theirs;  ///< MMDetection's distance from itself in float64,
  std::optional<Errors> ours;    ///< and Kestrel's from the same.
  int64_t detections = 0;
  std::vector<std::string> failures = {};
};

std::string short_text(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

class Report {
 public:
  explicit Report(bool quiet) : quiet_(quiet) {}

  /// A line: what, its error, what it may be, and the like of it that rounding makes.
  void line(const std::string& what, double error, double limit, double rounding,
            const std::string& note = "") {
    const bool good = error <= limit;
    print("  %-38s %.1e  at most %.0e, last bits %.1e%s%s\n", what, error, limit, rounding, note,
          good ? "" : "  FAILED");
    if (!good) result.failures.push_back(what);
  }
  void failure(const std::string& text) {
    print("  %s  FAILED\n", text);
    result.failures.push_back(text);
  }
  template <class... Args>
  void print(const char* format, const Args&... args) {
    if (!quiet_) std::printf(format, printable(args)...);
  }

  Result result;

 private:
  static const char* printable(const std::string& text) { return text.c_str(); }
  static double printable(double value) { return value; }
  static long long printable(int64_t value) { return value; }
  static const char* printable(const char* text) { return text; }

  bool quiet_;
};

/// The longest beginning of a stage's name that is a module's: "bbox_head".
std::string part_of(const std::string& stage, const std::set<std::string>& modules) {
  std::string part = stage;
  while (!modules.contains(part)) {
    const size_t dot = part.rfind('.');
    KESTREL_CHECK(dot != std::string::npos, "[parity] stage ", stage, " is of no module");
    part.resize(dot);
  }
  return part;
}

void compare_forward(BaseDetector& model, const Answers& answers, const Dump& dump,
                     Report& report) {
  std::set<std::string> modules;
  for (const auto& [name, module] : model.named_modules()) modules.insert(name);
  std::set<std::string> open;  // what of the dump was not compared yet
  for (const auto& [name, tensor] : dump.with_prefix("forward/")) open.insert(name);
  report.print("forward, error / largest value\n");
  std::map<std::string, int> outputs_of_part;
  for (const auto& [stage, levels] : answers.stages) {
    // MMDetection's parts return one list of maps, or a tuple of lists, in the same order.
    std::string name = part_of(stage, modules);
    if (name != stage) name += "." + std::to_string(outputs_of_part[name]++);
    double worst = 0;
    for (size_t i = 0; i < levels.size(); ++i) {
      std::string place = name + "." + std::to_string(i);
      if (levels.size() == 1 && !open.contains(place)) place = name;
      const Tensor* expected = dump.find("forward/" + place);
      if (!expected) {
        report.failure("output " + place + " (" + stage + ") is not in the dump");
        continue;
      }
      open.erase(place);
      worst = std::max(
          worst, relative_error(levels[i].data(),
                                expected->dims() == 4 ? channels_last(*expected) : *expected));
    }
    report.line(stage, worst, kForward, report.result.rounding.forward);
    double& forward = report.result.errors.forward;
    forward = std::max(forward, worst);
  }
  for (const std::string& name : open) report.failure("output " + name + " is in the dump alone");
}

void compare_found(const std::vector<Detections>& found, const Dump& dump, Report& report) {
  report.print("detections\n");
  Result& result = report.result;
  for (size_t i = 0; i < found.size(); ++i) {
    const std::string prefix = "detections/" + std::to_string(i) + "/";
    const Tensor* boxes = dump.find(prefix + "bboxes");
    if (!boxes) continue;
    if (dump.find(prefix + "masks")) report.failure("masks are not compared yet");
    const Tensor* labels = dump.find(prefix + "labels");
    const DetectionErrors errors =
        compare_detections(found[i], *boxes, labels ? *labels : Tensor(), kSameDetection);
    std::string note = ", " + std::to_string(errors.expected) + " objects";
    if (errors.at_the_cut) note += ", " + std::to_string(errors.at_the_cut) + " of equal score out";
    const std::string image = "image " + std::to_string(i);
    report.line(image + ", boxes in pixels", errors.box, kBoxes, result.rounding.boxes, note);
    report.line(image + ", scores", errors.score, kScores, result.rounding.scores);
    if (errors.missing) {
      report.failure(image + ": " + std::to_string(errors.missing) + " objects have no partner");
    }
    result.errors.boxes = std::max(result.errors.boxes, errors.missing ? kInfinity : errors.box);
    result.errors.scores = std::max(result.errors.scores, errors.score);
    result.detections += errors.expected;
  }
}

/// What _parse_losses makes of a loss: the sum over its levels.
double sum_of(const Tensor& values) {
  double sum = 0;
  for (int64_t i = 0; i < values.numel(); ++i) sum += values.data<float>()[i];
  return sum;
}

void compare_losses(const Answers& answers, const Dump& dump, Report& report) {
  report.print("losses, relative\n");
  const auto compare = [&](const std::string& name, double got, double expected) {
    const double error = relative(got, expected);
    report.line(name, error, report.result.limits.losses, report.result.rounding.losses,
                short_text(", %.6g", expected));
    report.result.errors.losses = std::max(report.result.errors.losses, error);
  };
  std::set<std::string> open;
  for (const auto& [name, tensor] : dump.with_prefix("losses/")) {
    if (is_loss(name)) open.insert(name);
  }
  for (const auto& [name, value] : answers.losses) {
    const Tensor* expected = dump.find("losses/" + name);
    if (!expected) {
      if (is_loss(name)) report.failure("loss " + name + " is not in the dump");
      continue;
    }
    open.erase(name);
    compare(name, value, sum_of(*expected));
  }
  for (const std::string& name : open) report.failure("loss " + name + " is in the dump alone");
  compare("total", answers.total, sum_of(dump.file.at("losses/total")));
}

void compare_gradients(const Answers& answers, const Dump& dump, Report& report) {
  Alignment worst;
  std::string worst_name = "none";
  const StateDict gradients = dump.imported("grads/");
  std::set<std::string> compared;
  for (const auto& [name, expected] : gradients) {
    compared.insert(name);
    const auto found = answers.gradients.find(name);
    if (found == answers.gradients.end()) {
      report.failure("gradient of " + name + " is in the dump alone");
      worst.cosine = 0;
      continue;
    }
    const Alignment aligned = align(found->second, expected);
    if (aligned.cosine < worst.cosine) worst_name = name;
    worst.cosine = std::min(worst.cosine, aligned.cosine);
    worst.length = std::max(worst.length, aligned.length);
  }
  for (const auto& [name, gradient] : answers.gradients) {
    if (!compared.contains(name)) report.failure("gradient of " + name + " is not in the dump");
  }
  const Errors& rounding = report.result.rounding;
  report.print("gradients of %lld parameters\n", static_cast<int64_t>(gradients.size()));
  report.line("1 - cosine", 1 - worst.cosine, 1 - kGradientCosine, rounding.gradients,
              ", " + worst_name);
  report.line("length, relative", worst.length, kGradientLength, rounding.lengths);
  report.result.errors.gradients = 1 - worst.cosine;
  report.result.errors.lengths = worst.length;
}

void compare_counts(const Module& model, const Dump& dump, Report& report) {
  const auto compare = [&](const char* what, int64_t got, int64_t expected) {
    if (got == expected) return;
    report.failure(std::to_string(got) + " " + what + " beside " + std::to_string(expected));
  };
  compare("parameters", model.parameter_count(), dump.parameters);
  compare("trainable parameters", model.parameter_count(true), dump.trainable);
}

/// Detections as a dump has them: (n, 5) boxes and scores.
Detections detections_of(const Tensor& rows, const Tensor& labels) {
  const int64_t n = rows.size(0);
  Detections found{
      .boxes = Tensor::empty({n, 4}), .scores = Tensor::empty({n}), .labels = labels.clone()};
  for (int64_t i = 0; i < n; ++i) {
    const float* row = rows.data<float>() + 5 * i;
    std::copy_n(row, 4, found.boxes.data<float>() + 4 * i);
    found.scores.data<float>()[i] = row[4];
  }
  return found;
}

/// What MMDetection's rounding to float32 changes: the differences between two dumps of a model.
Errors difference(const Dump& got, const Dump& exact) {
  Errors errors;
  for (const auto& [name, expected] : exact.file.tensors) {
    const Tensor& tensor = got.file.at(name);
    if (name.starts_with("forward/")) {
      errors.forward = std::max(errors.forward, relative_error(tensor, expected));
    } else if (name == "losses/total" || (name.starts_with("losses/") && is_loss(name.substr(7)))) {
      errors.losses = std::max(errors.losses, relative(sum_of(tensor), sum_of(expected)));
    } else if (name.starts_with("grads/")) {
      const Alignment aligned = align(tensor, expected);
      errors.gradients = std::max(errors.gradients, 1 - aligned.cosine);
      errors.lengths = std::max(errors.lengths, aligned.length);
    } else if (name.starts_with("detections/") && name.ends_with("/bboxes")) {
      const std::string labels = name.substr(0, name.size() - 6) + "labels";
      const DetectionErrors of_image =
          compare_detections(detections_of(tensor, got.file.at(labels)), expected,
                             exact.file.at(labels), kSameDetection);
      errors.boxes = std::max(errors.boxes, of_image.missing ? kInfinity : of_image.box);
      errors.scores = std::max(errors.scores, of_image.score);
    }
  }
  return errors;
}

void compare_distances(BaseDetector& model, const Answers& answers, const Dump& dump,
                       const Dump& exact, Report& report) {
  for (const auto& [name, weight] : exact.with_prefix("weights/")) {
    if (relative_error(dump.file.at("weights/" + name), weight) != 0) {
      report.failure("the exact dump has another " + name);
      return;
    }
  }
  Report ours(true);
  ours.result.limits = report.result.limits;
  compare_forward(model, answers, exact, ours);
  compare_found(answers.found, exact, ours);
  compare_losses(answers, exact, ours);
  compare_gradients(answers, exact, ours);
  const Errors theirs = difference(dump, exact);
  report.print("largest distance from float64: MMDetection's, Kestrel's\n");
  const auto line = [&](const char* what, double of_theirs, double of_ours) {
    report.print("  %-38s %.1e  %.1e\n", what, of_theirs, of_ours);
  };
  const Errors& own = ours.result.errors;
  line("forward", theirs.forward, own.forward);
  line("losses", theirs.losses, own.losses);
  line("1 - cosine", theirs.gradients, own.gradients);
  line("boxes in pixels", theirs.boxes, own.boxes);
  line("scores", theirs.scores, own.scores);
  report.result.theirs = theirs;
  report.result.ours = own;
}

Report compare(const Config& config, const Dump& dump, const std::optional<Dump>& exact,
               Device device, bool quiet) {
  Report report(quiet);
  report.print("%s, %lld parameters (%s)\n", dump.config, dump.parameters, dump.versions);
  const Config model_config = model_of(config, dump);
  const auto model = build<BaseDetector>(model_config);
  const StateDict weights = dump.imported("weights/");
  model->load_state_dict(weights);
  model->to(device);
  compare_counts(*model, dump, report);
  Batch batch = dump.batch;
  batch.images = batch.images.to(device);

  const bool is_retinanet = model_config.at("type") == Config("RetinaNet");
  report.result.limits = {.forward = kForward,
                          .losses = is_retinanet ? kRetinaNetLosses : kLosses,
                          .gradients = 1 - kGradientCosine,
                          .lengths = kGradientLength,
                          .boxes = kBoxes,
                          .scores = kScores};
  const Answers answers = ask(*model, batch);
  for (uint64_t seed = 0; seed < kNudges; ++seed) {
    model->load_state_dict(weights);  // running statistics have moved
    report.result.rounding.widen(
        difference(ask(*model, nudge(batch, seed)), answers, kSameDetection));
  }
  compare_forward(*model, answers, dump, report);
  compare_found(answers.found, dump, report);
  compare_losses(answers, dump, report);
  compare_gradients(answers, dump, report);
  if (exact) compare_distances(*model, answers, dump, *exact, report);
  return report;
}

Config number(double value) {
  return std::isfinite(value) ? Config(value) : Config();
}

Config json_of(const Errors& errors) {
  Config json = Config::map();
  json.set("forward", number(errors.forward));
  json.set("losses", number(errors.losses));
  json.set("gradients", number(errors.gradients));
  json.set("boxes", number(errors.boxes));
  json.set("scores", number(errors.scores));
  return json;
}

Config json_of(const std::vector<std::string>& texts) {
  Config list = Config::list();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

std::string json_of(const Result& result, const Dump& dump) {
  Config json = Config::map();
  json.set("config", dump.config);
  json.set("parameters", dump.parameters);
  json.set("forward", number(result.errors.forward));
  json.set("losses", number(result.errors.losses));
  json.set("gradient_cosine", 1 - result.errors.gradients);
  json.set("boxes", number(result.errors.boxes));
  json.set("scores", number(result.errors.scores));
  json.set("masks_iou", Config());
  json.set("detections", result.detections);
  json.set("limits", json_of(result.limits));
  json.set("rounding", json_of(result.rounding));
  if (result.theirs) json.set("theirs", json_of(*result.theirs));
  if (result.ours) json.set("ours", json_of(*result.ours));
  json.set("failures", json_of(result.failures));
  return json.to_json();
}

Device device_of(const std::string& name) {
  if (name == "cpu") return Device::cpu();
  const bool plain = name == "cuda";
  int index = 0;
  if ((!plain && std::sscanf(name.c_str(), "cuda:%d", &index) != 1) || index < 0 ||
      index >= Device::cuda_count()) {
    fail<UsageError>("--device must be cpu, cuda or cuda:N of ", Device::cuda_count(),
                     " CUDA devices, got '", name, "'");
  }
  return Device::cuda(index);
}

int run(int argc, char** argv) {
  CLI::App app{"compares a detector with MMDetection's own, number by number"};
  std::string config;
  std::string file;
  std::string exact_file;
  std::string device = "cpu";
  bool json = false;
  app.add_option("config", config, "MMDetection's config file")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("dump", file, "what dump_model.py wrote for it")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--exact", exact_file, "what bench/dump_float64.py wrote for it")
      ->check(CLI::ExistingFile);
  app.add_option("--device", device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_flag("--json", json, "one JSON object instead of the table");
  CLI11_PARSE(app, argc, argv);
  const Dump dump = read_dump(file);
  std::optional<Dump> exact;
  if (!exact_file.empty()) exact = read_dump(exact_file);
  const Report report = compare(Config::load(config), dump, exact, device_of(device), json);
  const std::vector<std::string>& failures = report.result.failures;
  if (json) {
    std::printf("%s\n", json_of(report.result, dump).c_str());
  } else {
    std::printf("%zu beyond tolerance\n", failures.size());
  }
  return failures.empty() ? 0 : 1;
}

}  // namespace
}  // namespace kestrel::parity

int main(int argc, char** argv) {
  try {
    return kestrel::parity::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "parity_mmdetection: %s\n", error.what());
    return 1;
  }
}
