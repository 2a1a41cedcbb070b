#include <kestrel/engine/checkpoints/pretrained.h>

#include <fmt/format.h>

#include <kestrel/layers/load_weights.h>

namespace kestrel {
namespace {

LoadReport load_file(const std::filesystem::path& file, Module& module, const LoadRules& rules) {
  const StateDict weights = read_model_file(file).weights;
  try {
    return load_weights(module, weights, rules);
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
  const LoadRules rules{.prefix = prefix ? prefix->as_string() : "", .may_differ = {"fc."}};
  for (auto& [name, module] : model.named_modules()) {
    if (name == "backbone") load_file(file, *module, rules);
  }
  return file;
}

std::string load_starting_weights(const std::filesystem::path& file, Module& model) {
  const LoadReport report = load_file(file, model, {.may_differ = {"bbox_head."}});
  std::string text = fmt::format("weights start from {}", file.string());
  if (!report.complete()) {
    text += fmt::format(": {} of {} tensors; {}", report.loaded, model.state_dict().size(),
                        report.differences());
  }
  return text;
}

}  // namespace kestrel
