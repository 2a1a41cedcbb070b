#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <kestrel/detection/structures.h>
#include <kestrel/layers/module.h>
#include <kestrel/registry/config.h>
#include <kestrel/tensor/safetensors.h>

namespace kestrel::parity {

/// What MMDetection computed for one model: a file of dump_model.py.
struct Dump {
  Safetensors file;
  std::string config;                  ///< Name of the config, without folder and extension.
  std::string versions;                ///< "MMDetection 2.28.2, torch 2.4.0".
  Config model;                        ///< The config that the model was built from.
  std::vector<std::string> overrides;  ///< What it was changed by: "model.a.b=c".
  int64_t parameters = 0;
  int64_t trainable = 0;
  std::vector<std::string> without_grad;  ///< Trainable parameters that took no part.
  Batch batch;

  /// The tensor of that name, or null.
  const Tensor* find(const std::string& name) const;
  /// The tensors whose names begin with prefix, without it, in file order.
  StateDict with_prefix(const std::string& prefix) const;
  /// The same under Kestrel's names and in its layouts: of weights and gradients.
  StateDict imported(const std::string& prefix) const;
};

/// Throws ModelFileError for a file that is not such a dump.
Dump read_dump(const std::filesystem::path& path);

/// NCHW to NHWC.
Tensor channels_last(const Tensor& maps);

/// The model of MMDetection's own config file, with what the dump changes on purpose: overrides,
/// lower thresholds and numbers of samples, BN for SyncBN. Throws UsageError that lists the other
/// differences to the model that the dump is of.
Config model_of(const Config& config, const Dump& dump);

}  // namespace kestrel::parity
