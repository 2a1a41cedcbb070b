#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/layers/module.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// Weights with what it takes to build the model that they are of.
struct ModelFile {
  StateDict weights;  ///< Kestrel's names and layouts; tensors may be views of the mapped file.
  Config config;      ///< The resolved config they were trained with; null in files of others.
  std::vector<std::string> classes;  ///< By label; empty where the file does not say.
  /// What to tell whoever named the file: what was chosen of several sets of weights.
  std::vector<std::string> notes = {};
};

/// The key that stands for the second weights of an MMDetection 2 run with an EMAHook, which lie
/// beside the others as ema_backbone_conv1_weight.
inline constexpr const char* kEmaKey = "ema_*";

/// Reads a safetensors file, or a PyTorch file (.pth, read as data: nothing in it is executed);
/// which of them it is, its first bytes say. Files that were not written by Kestrel are taken to be
/// PyTorch's: convolution weights (O, I, kh, kw) are transposed to (O, kh, kw, I),
/// num_batches_tracked is dropped, and names become Kestrel's (kestrel_name), also behind a prefix
/// that all of them have. Classes come from MMDetection's meta. `key` chooses one of several dicts
/// of tensors of a PyTorch file, or kEmaKey. Throws ModelFileError, or UsageError for a key where
/// there is nothing to choose.
ModelFile read_model_file(const std::filesystem::path& path, const std::string& key = {});

/// PyTorch's tensors under Kestrel's names and in its layouts, as read_model_file gives them;
/// `file` is where they come from, for messages. Also for gradients, which look like their weights.
StateDict import_tensors(const StateDict& tensors, const std::string& file);

/// The metadata of a weights file that Detector::load can run.
std::map<std::string, std::string> model_metadata(const Config& config,
                                                  const std::vector<std::string>& classes);

/// Writes weights, config and classes as one file that Detector::load takes. Atomic.
void write_model_file(const std::filesystem::path& path, const ModelFile& contents);

/// Whose names and layouts weights have in a file.
enum class WeightNames : uint8_t {
  Kestrel,      ///< MMDetection's names, convolutions (O, kh, kw, I).
  MMDetection,  ///< MMDetection's names, convolutions (O, I, kh, kw).
  Torchvision,  ///< torchvision's names, convolutions (O, I, kh, kw).
};

constexpr auto enum_names(WeightNames) {
  return std::array{std::pair{WeightNames::Kestrel, "kestrel"},
                    std::pair{WeightNames::MMDetection, "mmdetection"},
                    std::pair{WeightNames::Torchvision, "torchvision"}};
}

/// Writes weights under the names and in the layout of `names`: a .pth or .pt file as torch.save
/// writes it (for MMDetection {meta, state_dict}, else the state dict alone), or safetensors for
/// any other extension; config goes into Kestrel's own only, which is write_model_file's. Atomic.
/// Throws UsageError for Kestrel's layout in a .pth file.
void export_weights(const std::filesystem::path& path, const ModelFile& contents,
                    WeightNames names);

/// Where a backbone's init_cfg points to: the file itself, or for torchvision://resnet50 the file
/// resnet50.safetensors, resnet50.pth or resnet50-<hash>.pth in $KESTREL_WEIGHTS or ./weights. The
/// same for open-mmlab://detectron2/resnet50_caffe and for https://.../resnet50.pth: what counts is
/// the last part of the name. Empty where there is none.
std::filesystem::path find_pretrained(const std::string& checkpoint);

}  // namespace kestrel
