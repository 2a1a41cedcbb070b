#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <kestrel/layers/module.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// Weights with what it takes to build the model that they are of.
struct ModelFile {
  StateDict weights;  ///< Kestrel's names and layouts; tensors are views of the mapped file.
  Config config;      ///< The resolved config they were trained with; null in files of others.
  std::vector<std::string> classes;  ///< By label; empty in files of others.
};

/// Reads a safetensors file. Files that were not written by Kestrel are taken to be PyTorch's:
/// convolution weights (O, I, kh, kw) are transposed to (O, kh, kw, I), num_batches_tracked is
/// dropped, and torchvision's names become MMDetection's (kestrel_name). Throws ModelFileError.
ModelFile read_model_file(const std::filesystem::path& path);

/// The metadata of a weights file that Detector::load can run.
std::map<std::string, std::string> model_metadata(const Config& config,
                                                  const std::vector<std::string>& classes);

/// Writes weights, config and classes as one file that Detector::load takes. Atomic.
void write_model_file(const std::filesystem::path& path, const ModelFile& contents);

/// MMDetection's name for a parameter of torchvision's RetinaNet, such as
/// "bbox_head.cls_convs.0.conv.weight" for "head.classification_head.conv.0.0.weight"; other names
/// unchanged.
std::string kestrel_name(std::string_view torchvision_name);

}  // namespace kestrel
