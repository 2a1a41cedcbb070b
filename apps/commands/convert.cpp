#include "convert.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/engine/records/output_file.h>
#include <kestrel/inference/detector.h>
#include <kestrel/inference/weights.h>
#include <kestrel/layers/load_weights.h>
#include <kestrel/registry/registry.h>

#include "../plugins.h"

namespace kestrel::apps {
namespace {

struct ConvertOptions {
  std::string in;
  std::string out;
  std::string names;
  std::string config;
  std::vector<std::string> classes;
  std::string prefix;
  std::string key;
};

bool is_pytorch(const std::string& file) {
  const auto extension = std::filesystem::path(file).extension();
  return extension == ".pth" || extension == ".pt";
}

WeightNames parse_names(const std::string& text) {
  for (const auto& [value, name] : enum_names(WeightNames{})) {
    if (text == name) return value;
  }
  fail<UsageError>("[convert] there are no names '", text, "'");
}

void keep_prefix(StateDict& weights, const std::string& prefix, const std::string& file) {
  StateDict kept;
  for (auto& [name, tensor] : weights) {
    if (name.starts_with(prefix)) kept.emplace_back(name.substr(prefix.size()), std::move(tensor));
  }
  if (kept.empty())
    fail<ModelFileError>("[convert] ", file, ": no name begins with '", prefix, "'");
  weights = std::move(kept);
}

/// Puts a config into the file, after checking that the weights fit the model that it describes.
void add_config(ModelFile& contents, const ConvertOptions& o) {
  contents.config = Config::load(o.config);
  const Config& model = contents.config.at("model");
  try {
    auto built = build<BaseDetector>(model);
    const LoadReport report = load_weights(*built, contents.weights);
    if (!report.prefix.empty()) {
      contents.notes.push_back("'" + report.prefix + "' was taken off in front of every name");
      keep_prefix(contents.weights, report.prefix, o.in);
    }
    // What detect and test will do with the file.
    const Detector detector(std::move(built), contents.config, contents.classes);
  } catch (const ModelFileError& error) {
    fail<ModelFileError>("[convert] ", o.in, " is not of the model in ", o.config, ": ",
                         error.what());
  } catch (const UsageError& error) {
    fail<UsageError>("[convert] detect and test cannot run what ", o.config,
                     " describes: ", error.what());
  }
  const Config* head = model.find("bbox_head");
  const Config* count = head ? head->find("num_classes") : nullptr;
  if (count && count->as_int() != static_cast<int64_t>(contents.classes.size())) {
    fail<UsageError>("[convert] the model has ", count->as_int(), " classes, but ",
                     contents.classes.size(), " have a name; give them with --classes a,b,c");
  }
}

void convert(const ConvertOptions& o) {
  const bool pytorch = is_pytorch(o.out);
  const std::string names = !o.names.empty() ? o.names : pytorch ? "mmdetection" : "kestrel";
  const std::filesystem::path sources[] = {o.in, o.config};
  check_output("convert", o.out, OutputKind::Weights, sources);
  ModelFile contents = read_model_file(o.in, o.key);
  if (!o.prefix.empty()) keep_prefix(contents.weights, o.prefix, o.in);
  if (!o.classes.empty()) contents.classes = o.classes;
  if (!o.config.empty()) add_config(contents, o);
  export_weights(o.out, contents, parse_names(names));

  int64_t values = 0;
  for (const auto& [name, tensor] : contents.weights) values += tensor.numel();
  std::printf("%s: %zu tensors, %.2f M values, %zu class names; names and layout of %s\n",
              o.out.c_str(), contents.weights.size(), static_cast<double>(values) * 1e-6,
              contents.classes.size(), names.c_str());
  for (const std::string& note : contents.notes) std::puts(note.c_str());
  if (names == "kestrel" && contents.config.is_null()) {
    std::puts(
        "It does not say of which model: --weights of train can start from it; for detect and test "
        "give --config.");
  }
}

}  // namespace

void add_convert(CLI::App& app) {
  auto o = std::make_shared<ConvertOptions>();
  CLI::App* command = app.add_subcommand(
      "convert", "weights between PyTorch's .pth and safetensors, and between naming schemes");
  command->add_option("in", o->in, ".pth (zip or the form before PyTorch 1.6) or .safetensors")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("out", o->out, ".pth, .pt or .safetensors")->required();
  command
      ->add_option("--names", o->names,
                   "names and layout to write [.pth: mmdetection, else kestrel]")
      ->check(CLI::IsMember({"kestrel", "mmdetection", "torchvision"}));
  command
      ->add_option(
          "--config", o->config,
          "config of the model: the weights are checked against it, and a safetensors file "
          "with Kestrel's names becomes one that detect and test can run")
      ->check(CLI::ExistingFile);
  command->add_option("--classes", o->classes, "names of the classes, as a,b,c")->delimiter(',');
  command->add_option("--prefix", o->prefix,
                      "take only the tensors whose names begin so, without it: backbone.");
  command->add_option(
      "--key", o->key,
      "which of several sets of weights in a .pth: ema, net, model_state_dict, ...; 'ema_*': those "
      "that MMDetection 2's EMAHook left beside the others [state_dict, model, or the only one]");
  add_plugin_option(*command);
  command->callback([o] { convert(*o); });
}

}  // namespace kestrel::apps
