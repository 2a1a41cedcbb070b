#include <kestrel/engine/pretrained.h>

#include <cstdlib>

#include <fmt/format.h>

#include <kestrel/inference/weights.h>

namespace kestrel {

std::filesystem::path find_pretrained(const std::string& checkpoint) {
  constexpr std::string_view kScheme = "torchvision://";
  if (!checkpoint.starts_with(kScheme)) {
    return std::filesystem::exists(checkpoint) ? std::filesystem::path(checkpoint)
                                               : std::filesystem::path();
  }
  const std::string name = checkpoint.substr(kScheme.size()) + ".safetensors";
  std::vector<std::filesystem::path> folders = {"weights"};
  if (const char* folder = std::getenv("KESTREL_WEIGHTS")) folders.insert(folders.begin(), folder);
  for (const auto& folder : folders) {
    if (std::filesystem::exists(folder / name)) return folder / name;
  }
  return {};
}

std::filesystem::path load_pretrained(const Config& model_config, Module& model) {
  const Config* backbone = model_config.find("backbone");
  const Config* init = backbone ? backbone->find("init_cfg") : nullptr;
  if (!init || init->is_null()) return {};
  const Config& checkpoint = init->at("checkpoint");
  std::filesystem::path file = find_pretrained(checkpoint.as_string());
  if (file.empty()) {
    checkpoint.fail(fmt::format(
        "'{}' was not found in $KESTREL_WEIGHTS or ./weights; put it there as safetensors, or "
        "train "
        "from scratch with --set model.backbone.init_cfg=None model.backbone.frozen_stages=-1 "
        "model.backbone.norm_eval=false",
        checkpoint.as_string()));
  }
  StateDict backbone_state;
  for (auto& [name, tensor] : read_model_file(file).weights) {
    if (!name.starts_with("fc.")) backbone_state.emplace_back(name, tensor);
  }
  for (auto& [name, module] : model.named_modules()) {
    if (name == "backbone") module->load_state_dict(backbone_state);
  }
  return file;
}

}  // namespace kestrel
