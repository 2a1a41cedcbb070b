#include <kestrel/inference/weights.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <utility>

#include <kestrel/inference/key_map.h>
#include <kestrel/kernels/layout.h>
#include <kestrel/tensor/mapped_file.h>
#include <kestrel/tensor/pth.h>
#include <kestrel/tensor/safetensors.h>
#include <kestrel/tensor/utf8.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormatKey = "kestrel.format";
constexpr const char* kConfigKey = "kestrel.config";
constexpr const char* kClassesKey = "kestrel.classes";

/// (O, I, kh, kw) to (O, kh, kw, I).
Tensor to_channels_last(const Tensor& weight) {
  Tensor result = Tensor::empty({weight.size(0), weight.size(2), weight.size(3), weight.size(1)},
                                weight.dtype());
  cpu::nchw_to_nhwc(weight.view(), result.view());
  return result;
}

/// (O, kh, kw, I) to (O, I, kh, kw).
Tensor to_channels_first(const Tensor& weight) {
  Tensor result = Tensor::empty({weight.size(0), weight.size(3), weight.size(1), weight.size(2)},
                                weight.dtype());
  cpu::nhwc_to_nchw(weight.view(), result.view());
  return result;
}

/// What all names begin with, up to a dot.
std::string common_prefix(const StateDict& tensors) {
  if (tensors.empty()) return {};
  std::string prefix = tensors.front().first;
  for (const auto& [name, tensor] : tensors) {
    const auto differ = std::ranges::mismatch(prefix, name).in1;
    prefix.erase(differ, prefix.end());
  }
  return prefix.substr(0, prefix.rfind('.') + 1);  // nothing where there is no dot
}

/// What in front of all names keeps them from being known, such as "model." of a wrapper.
size_t length_of_wrapper(const StateDict& tensors) {
  const auto known_behind = [&](size_t length) {
    return std::ranges::any_of(tensors, [&](const auto& entry) {
      const std::string_view rest = std::string_view(entry.first).substr(length);
      return kestrel_name(rest) != rest;
    });
  };
  const std::string prefix = common_prefix(tensors);
  size_t length = 0;
  while (!known_behind(length)) {
    const size_t dot = prefix.find('.', length);
    if (dot == std::string::npos) return 0;
    length = dot + 1;
  }
  return length;
}

/// The name under which MMDetection 2's EMAHook keeps a second tensor beside one.
std::string ema_name(std::string name) {
  std::ranges::replace(name, '.', '_');
  return "ema_" + name;
}

/// Chooses between the weights and those that MMDetection 2's EMAHook left beside them. Its hook
/// swaps them at the end of an epoch: what is saved then has the averages under the plain names.
StateDict choose_of_ema(StateDict tensors, bool second, const fs::path& path,
                        std::vector<std::string>& notes) {
  std::map<std::string, std::string> plain_of;
  for (const auto& [name, tensor] : tensors) plain_of.emplace(ema_name(name), name);
  std::map<std::string, Tensor> twins;
  std::erase_if(tensors, [&](const auto& entry) {
    const auto found = plain_of.find(entry.first);
    if (found == plain_of.end()) return false;
    twins.emplace(found->second, entry.second);
    return true;
  });
  if (twins.empty() && second) {
    fail<UsageError>("[weights] ", path.string(), ": has no weights ", kEmaKey,
                     " beside the others (ema_backbone_conv1_weight, as MMDetection 2 has them)");
  }
  if (twins.empty()) return tensors;
  if (second) {
    for (auto& [name, tensor] : tensors) {
      if (const auto found = twins.find(name); found != twins.end()) tensor = found->second;
    }
  }
  notes.push_back(
      path.string() + ": has two sets of weights, as MMDetection 2's EMAHook leaves them; " +
      (second ? "those named ema_* are taken: in a file that was saved at the end of an "
                "epoch, they are the ones that are not averaged"
              : "those under the plain names are taken, as MMDetection does: in a file "
                "that was saved at the end of an epoch, they are the averages. --key " +
                    std::string("'") + kEmaKey + "' takes the others"));
  return tensors;
}

std::vector<std::string> parse_classes(const std::string& text) {
  std::vector<std::string> classes;
  const Config list = Config::parse(text, kClassesKey);
  for (const Config& name : list.items()) {
    classes.push_back(name.as_string());
  }
  return classes;
}

/// meta["CLASSES"] of MMDetection 2, or meta["dataset_meta"]["CLASSES"] or ["classes"] of 3; a
/// single class was saved as text, not as a tuple of it.
std::vector<std::string> classes_of(const PickleValue& checkpoint) {
  using Kind = PickleValue::Kind;
  const PickleValue* meta = checkpoint.find("meta");
  if (meta && meta->find("dataset_meta")) meta = meta->find("dataset_meta");
  if (!meta) return {};
  const PickleValue* names = meta->find("CLASSES");
  if (!names) names = meta->find("classes");
  if (!names) return {};
  if (names->is(Kind::String)) return {names->as_text()};
  if (!names->is(Kind::Tuple) && !names->is(Kind::List)) return {};
  std::vector<std::string> classes;
  for (const PickleValue* name : names->items()) {
    if (!name->is(Kind::String)) return {};
    classes.push_back(name->as_text());
  }
  return classes;
}

bool has_pth_name(const fs::path& path) {
  return path.extension() == ".pth" || path.extension() == ".pt";
}

ModelFile read_safetensors_model(Safetensors file, const fs::path& path) {
  ModelFile result;
  if (!file.metadata.contains(kFormatKey)) {
    result.weights = import_tensors(file.tensors, path.string());
    return result;
  }
  result.weights = std::move(file.tensors);
  if (const auto it = file.metadata.find(kConfigKey); it != file.metadata.end()) {
    result.config = Config::parse(it->second, path.string());
  }
  if (const auto it = file.metadata.find(kClassesKey); it != file.metadata.end()) {
    result.classes = parse_classes(it->second);
  }
  return result;
}

/// resnet50-0676ba61.pth and the like in a folder; the last of several.
fs::path find_with_hash(const fs::path& folder, const std::string& name) {
  fs::path found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with(name + "-") && has_pth_name(file)) {
      found = std::max(found, entry.path());
    }
  }
  return found;
}

}  // namespace

StateDict import_tensors(const StateDict& tensors, const std::string& file) {
  StateDict weights;
  std::set<std::string> names;
  const size_t wrapper = length_of_wrapper(tensors);
  for (const auto& [name, tensor] : tensors) {
    if (name.ends_with("num_batches_tracked")) continue;
    const std::string ours =
        name.substr(0, wrapper) + kestrel_name(std::string_view(name).substr(wrapper));
    if (!names.insert(ours).second) {
      fail<ModelFileError>("[weights] ", file, ": has '", ours, "' twice, once as '", name, "'");
    }
    weights.emplace_back(ours, tensor.dims() == 4 ? to_channels_last(tensor) : tensor);
  }
  return weights;
}

ModelFile read_model_file(const fs::path& path, const std::string& key) {
  const auto file = std::make_shared<const MappedFile>("weights", path);
  const bool second = key == kEmaKey;
  if (!is_pth(file->bytes()) && !has_pth_name(path)) {
    if (!key.empty() && !second) {
      fail<UsageError>("[weights] ", path.string(),
                       ": is a safetensors file, which has no keys; --key ", key, " is for a .pth");
    }
    Safetensors contents = parse_safetensors(file->bytes(), path.string(), file);
    std::vector<std::string> notes;
    contents.tensors = choose_of_ema(std::move(contents.tensors), second, path, notes);
    ModelFile result = read_safetensors_model(std::move(contents), path);
    result.notes = std::move(notes);
    return result;
  }
  const PthFile pth = parse_pth(file->bytes(), path.string(), file);
  ModelFile result{.classes = classes_of(pth.root())};
  const StateDict tensors =
      choose_of_ema(pth.state_dict(second ? std::string() : key), second, path, result.notes);
  result.weights = import_tensors(tensors, path.string());
  return result;
}

std::map<std::string, std::string> model_metadata(const Config& config,
                                                  const std::vector<std::string>& classes) {
  Config names = Config::list();
  for (const std::string& name : classes) names.push_back(name);
  // Names of folders may be in any encoding; the file's header may not.
  std::map<std::string, std::string> metadata = {
      {kFormatKey, "1"}, {kClassesKey, escape_invalid_utf8_in_json(names.to_json())}};
  if (!config.is_null()) metadata[kConfigKey] = escape_invalid_utf8_in_json(config.to_json());
  return metadata;
}

void write_model_file(const fs::path& path, const ModelFile& contents) {
  write_safetensors(path, {contents.weights, model_metadata(contents.config, contents.classes)});
}

void export_weights(const fs::path& path, const ModelFile& contents, WeightNames names) {
  if (names == WeightNames::Kestrel) {
    if (has_pth_name(path)) {
      fail<UsageError>("[weights] ", path.string(),
                       ": Kestrel's own layout is written as safetensors; for PyTorch choose "
                       "mmdetection or torchvision");
    }
    return write_model_file(path, contents);
  }
  const bool from_c2 = std::ranges::any_of(contents.weights, [](const auto& entry) {
    return entry.first.starts_with("neck.lateral_convs.3.");
  });
  StateDict tensors;
  for (const auto& [name, tensor] : contents.weights) {
    tensors.emplace_back(names == WeightNames::Torchvision ? torchvision_name(name, from_c2) : name,
                         tensor.dims() == 4 ? to_channels_first(tensor) : tensor);
  }
  if (has_pth_name(path)) {
    const PthMeta meta{.classes = contents.classes};
    write_pth(path, tensors, names == WeightNames::MMDetection ? &meta : nullptr);
  } else {
    write_safetensors(path, {.tensors = tensors, .metadata = {{"format", "pt"}}});
  }
}

fs::path find_pretrained(const std::string& checkpoint) {
  if (checkpoint.find("://") == std::string::npos) {
    return fs::exists(checkpoint) ? fs::path(checkpoint) : fs::path();
  }
  const fs::path last = fs::path(checkpoint).filename();
  const std::string name = has_pth_name(last) ? last.stem().string() : last.string();
  std::vector<fs::path> folders = {"weights"};
  if (const char* folder = std::getenv("KESTREL_WEIGHTS")) folders.insert(folders.begin(), folder);
  for (const fs::path& folder : folders) {
    for (const char* extension : {".safetensors", ".pth"}) {
      if (fs::exists(folder / (name + extension))) return folder / (name + extension);
    }
    if (fs::path found = find_with_hash(folder, name); !found.empty()) return found;
  }
  return {};
}

}  // namespace kestrel
