#include <kestrel/engine/checkpoints/pretrained.h>

#include <fmt/format.h>

#include <kestrel/kernels/log.h>
#include <kestrel/layers/load_weights.h>

namespace kestrel {
namespace {

LoadReport load_file(const std::filesystem::path& file, Module& module, const LoadRules& rules,
                     const std::string& key, std::vector<std::string>& notes) {
  ModelFile contents = read_model_file(file, key);
  notes = std::move(contents.notes);
  try {
    LoadReport report = load_weights(module, contents.weights, rules);
    if (!report.prefix.empty()) {
      notes.push_back(fmt::format("{}: '{}' was taken off in front of every name", file.string(),
                                  report.prefix));
    }
    return report;
  } catch (const ModelFileError& error) {
    fail<ModelFileError>(file.string(), ": ", error.what());
  }
}

}  // namespace

std::filesystem::path load_pretrained(const Config& model_config, Module& model) {
  const Config* backbone = model_config.find("backbone");
  const Config* init = backbone ? backbone->find("init_cfg") : nullptr;
  if (!init || !init->is_map() || !(init->at("type") == Config("Pretrained"))) return {};
  const Config& checkpoint = init->at("checkpoint");
  std::filesystem::path file = find_pretrained(checkpoint.as_string());
  if (file.empty()) {
    checkpoint.fail(fmt::format(
        "'{}' was not found in $KESTREL_WEIGHTS or ./weights; put it there as .pth or safetensors, "
        "or train from scratch with --set model.backbone.init_cfg=None "
        "model.backbone.frozen_stages=-1 "
        "model.backbone.norm_eval=false",
        checkpoint.as_string()));
  }
  const Config* prefix = init->find("prefix");
  const Config* key = init->find("key");
  const LoadRules rules{.prefix = prefix ? prefix->as_string() : "", .may_differ = {"fc."}};
  for (auto& [name, module] : model.named_modules()) {
    if (name != "backbone") continue;
    std::vector<std::string> notes;
    load_file(file, *module, rules, key ? key->as_string() : "", notes);
    for (const std::string& note : notes) warn(note);
  }
  return file;
}

std::string load_starting_weights(const std::filesystem::path& file, Module& model,
                                  const std::string& key) {
  std::vector<std::string> notes;
  const LoadReport report = load_file(file, model, {.may_differ = {"bbox_head."}}, key, notes);
  std::string text = fmt::format("weights start from {}", file.string());
  if (!report.complete()) {
    text += fmt::format(": {} of {} tensors; {}", report.loaded, model.state_dict().size(),
                        report.differences());
  }
  for (const std::string& note : notes) text += "\n" + note;
  return text;
}

}  // namespace kestrel
