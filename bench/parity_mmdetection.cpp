// Compares a detector with MMDetection's own, number by number:
//
//   dump_model.py CONFIG --out DUMP          (Python with MMDetection 2.28)
//   parity_mmdetection CONFIG.py DUMP [--device D] [--json]
//
// Builds the model from MMDetection's config, loads the dump's weights by name, and runs it as the
// dump did: in test mode for the outputs of each part and the detections, in training mode for
// losses and gradients. Prints the largest error of each; exits with 1 where one is beyond its
// tolerance. bench/parity_mmdetection.sh does both steps for many configs.
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

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/detection/detectors/single_stage.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/random.h>

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

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What was compared, and what of it failed.
struct Result {
  double forward = 0;
  double rounding = 0;
  double losses = 0;
  double losses_limit = kLosses;
  double gradient_cosine = 1;
  double boxes = 0;
  double scores = 0;
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

  /// A line: what, its error and what it may be.
  void line(const std::string& what, double error, double limit, const std::string& note = "") {
    const bool good = error <= limit;
    print("  %-44s %.2e  (at most %.0e)%s%s\n", what, error, limit, note, good ? "" : "  FAILED");
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

/// One of the lists of maps that a part of the model gives out.
struct StageOutput {
  std::string name;  ///< "neck", or "bbox_head.cls_scores".
  std::vector<Variable> levels;
};

std::vector<StageOutput> stages_of(BaseDetector& model, const Batch& batch) {
  auto& detector = dynamic_cast<SingleStageDetector&>(model);
  const autograd::NoGrad no_grad;
  const auto maps = detector.backbone.forward(Variable(batch.images));
  const auto levels = detector.neck.forward(maps);
  const HeadOutputs outputs = detector.bbox_head.forward(levels);
  return {{"backbone", maps},
          {"neck", levels},
          {"bbox_head.cls_scores", outputs.cls_scores},
          {"bbox_head.bbox_preds", outputs.bbox_preds}};
}

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

/// How far the outputs move where every pixel changes by its last bit: what rounding alone does to
/// this model, and so about the least that two programs differ by.
double rounding_of(BaseDetector& model, const Batch& batch) {
  Batch nudged = batch;
  Tensor images = batch.images.to(Device::cpu()).clone();
  Philox random(0);
  float* pixels = images.data<float>();
  for (int64_t i = 0; i < images.numel(); ++i) {
    pixels[i] *= random.uniform() < 0.5 ? 1 + 0x1p-23F : 1 - 0x1p-23F;
  }
  nudged.images = images.to(batch.images.device());
  const auto before = stages_of(model, batch);
  const auto after = stages_of(model, nudged);
  double worst = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    for (size_t l = 0; l < before[i].levels.size(); ++l) {
      worst = std::max(worst, relative_error(after[i].levels[l].data(),
                                             before[i].levels[l].data().to(Device::cpu())));
    }
  }
  return worst;
}

void compare_forward(BaseDetector& model, const Batch& batch, const Dump& dump, Report& report) {
  std::set<std::string> modules;
  for (const auto& [name, module] : model.named_modules()) modules.insert(name);
  std::set<std::string> open;  // what of the dump was not compared yet
  for (const auto& [name, tensor] : dump.with_prefix("forward/")) open.insert(name);
  report.print("forward, error / largest value\n");
  std::map<std::string, int> outputs_of_part;
  for (const auto& [stage, levels] : stages_of(model, batch)) {
    // MMDetection's parts return one list of maps, or a tuple of lists, in the same order.
    std::string name = part_of(stage, modules);
    if (name != stage) name += "." + std::to_string(outputs_of_part[name]++);
    double worst = 0;
    std::string each = levels.size() > 1 ? ":" : "";
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
    report.line(stage, worst, kForward);
    report.result.forward = std::max(report.result.forward, worst);
  }
  for (const std::string& name : open) report.failure("output " + name + " is in the dump alone");
  report.result.rounding = rounding_of(model, batch);
  report.print("  %-44s %.2e\n", "the last bit of every pixel changes them by",
               report.result.rounding);
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
    const DetectionErrors errors = compare_detections(found[i], *boxes, labels ? *labels : Tensor(),
                                                      {.box = kBoxes, .score = kScores});
    std::string note = ", " + std::to_string(errors.expected) + " objects";
    if (errors.at_the_cut) note += ", " + std::to_string(errors.at_the_cut) + " of equal score out";
    const std::string image = "image " + std::to_string(i);
    report.line(image + ", boxes in pixels", errors.box, kBoxes, note);
    report.line(image + ", scores", errors.score, kScores);
    if (errors.missing) {
      report.failure(image + ": " + std::to_string(errors.missing) + " objects have no partner");
    }
    result.boxes = std::max(result.boxes, errors.missing ? kInfinity : errors.box);
    result.scores = std::max(result.scores, errors.score);
    result.detections += errors.expected;
  }
}

bool is_loss(const std::string& name) {
  return name.find("loss") != std::string::npos;
}

/// What _parse_losses makes of a loss: the sum over its levels.
double sum_of(const Tensor& values) {
  double sum = 0;
  for (int64_t i = 0; i < values.numel(); ++i) sum += values.data<float>()[i];
  return sum;
}

/// Compares the losses and returns what is differentiated: their sum.
Variable compare_losses(const Losses& losses, const Dump& dump, Report& report) {
  report.print("losses, relative\n");
  Variable total;
  const auto compare = [&](const std::string& name, double got, double expected) {
    const double error = std::abs(got - expected) / std::max(std::abs(expected), 1e-8);
    report.line(name, std::isfinite(error) ? error : kInfinity, report.result.losses_limit,
                short_text(", %.6g", expected));
    report.result.losses = std::max(report.result.losses, error);
  };
  std::set<std::string> open;
  for (const auto& [name, tensor] : dump.with_prefix("losses/")) {
    if (is_loss(name)) open.insert(name);
  }
  for (const auto& [name, value] : losses) {
    if (is_loss(name)) total = total ? autograd::add(total, value) : value;
    const Tensor* expected = dump.find("losses/" + name);
    if (!expected) {
      if (is_loss(name)) report.failure("loss " + name + " is not in the dump");
      continue;
    }
    open.erase(name);
    compare(name, value.data().to(Device::cpu()).item<double>(), sum_of(*expected));
  }
  for (const std::string& name : open) report.failure("loss " + name + " is in the dump alone");
  KESTREL_CHECK(total, "[parity] the model has no losses");
  compare("total", total.data().to(Device::cpu()).item<double>(),
          sum_of(dump.file.at("losses/total")));
  return total;
}

void compare_gradients(const Module& model, const Dump& dump, Report& report) {
  std::map<std::string, Variable> parameters;
  for (const auto& [name, parameter] : model.named_parameters()) parameters[name] = parameter;
  Alignment worst;
  std::string worst_name = "none";
  constexpr int kNamed = 5;
  int beyond = 0;
  const StateDict gradients = dump.imported("grads/");
  std::set<std::string> compared;
  for (const auto& [name, expected] : gradients) {
    compared.insert(name);
    const auto found = parameters.find(name);
    if (found == parameters.end() || !found->second.grad().defined()) {
      report.failure("gradient of " + name + " is in the dump alone");
      worst.cosine = 0;
      continue;
    }
    const Alignment aligned = align(found->second.grad(), expected);
    const bool good = aligned.cosine >= kGradientCosine && aligned.length <= kGradientLength;
    if (!good && ++beyond <= kNamed) {
      report.print("  %s: cosine %.6f, length off by %.1e\n", name, aligned.cosine, aligned.length);
    }
    if (aligned.cosine < worst.cosine) worst_name = name;
    worst.cosine = std::min(worst.cosine, aligned.cosine);
    worst.length = std::max(worst.length, aligned.length);
  }
  for (const auto& [name, parameter] : parameters) {
    if (parameter.requires_grad() && parameter.grad().defined() && !compared.contains(name)) {
      report.failure("gradient of " + name + " is not in the dump");
    }
  }
  report.print("gradients of %lld parameters, %lld of them beyond tolerance\n",
               static_cast<int64_t>(gradients.size()), static_cast<int64_t>(beyond));
  report.line("1 - cosine", 1 - worst.cosine, 1 - kGradientCosine, ", " + worst_name);
  report.line("length, relative", worst.length, kGradientLength);
  report.result.gradient_cosine = worst.cosine;
}

void compare_counts(const Module& model, const Dump& dump, Report& report) {
  const auto compare = [&](const char* what, int64_t got, int64_t expected) {
    if (got == expected) return;
    report.failure(std::to_string(got) + " " + what + " beside " + std::to_string(expected));
  };
  compare("parameters", model.parameter_count(), dump.parameters);
  compare("trainable parameters", model.parameter_count(true), dump.trainable);
}

Report compare(const Config& config, const Dump& dump, Device device, bool quiet) {
  Report report(quiet);
  report.print("%s, %lld parameters (%s)\n", dump.config, dump.parameters, dump.versions);
  const Config model_config = model_of(config, dump);
  const auto model = build<BaseDetector>(model_config);
  model->load_state_dict(dump.imported("weights/"));
  model->to(device);
  compare_counts(*model, dump, report);
  Batch batch = dump.batch;
  batch.images = batch.images.to(device);

  model->eval();
  compare_forward(*model, batch, dump, report);
  compare_found(model->predict(batch, true), dump, report);
  model->train();
  if (model_config.at("type") == Config("RetinaNet")) {
    report.result.losses_limit = kRetinaNetLosses;
  }
  const Variable total = compare_losses(model->losses(batch), dump, report);
  total.backward();
  compare_gradients(*model, dump, report);
  return report;
}

Config number(double value) {
  return std::isfinite(value) ? Config(value) : Config();
}

std::string json_of(const Result& result, const Dump& dump) {
  Config json = Config::map();
  json.set("config", dump.config);
  json.set("parameters", dump.parameters);
  json.set("forward", number(result.forward));
  json.set("rounding", number(result.rounding));
  json.set("losses", number(result.losses));
  json.set("losses_limit", result.losses_limit);
  json.set("gradient_cosine", number(result.gradient_cosine));
  json.set("boxes", number(result.boxes));
  json.set("scores", number(result.scores));
  json.set("masks_iou", Config());
  json.set("detections", result.detections);
  json.set("passed", result.failures.empty());
  Config failures = Config::list();
  for (const std::string& failure : result.failures) failures.push_back(failure);
  json.set("failures", failures);
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
  std::string device = "cpu";
  bool json = false;
  app.add_option("config", config, "MMDetection's config file")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("dump", file, "what dump_model.py wrote for it")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--device", device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_flag("--json", json, "one JSON object instead of the table");
  CLI11_PARSE(app, argc, argv);
  const Dump dump = read_dump(file);
  const Report report = compare(Config::load(config), dump, device_of(device), json);
  const std::vector<std::string>& failures = report.result.failures;
  if (json) {
    std::printf("%s\n", json_of(report.result, dump).c_str());
  } else {
    std::printf(failures.empty() ? "all within tolerance\n" : "%zu beyond tolerance\n",
                failures.size());
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
