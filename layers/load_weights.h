#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <kestrel/layers/module.h>

namespace kestrel {

/// In what weights and a model need not agree; by default in nothing.
struct LoadRules {
  std::string prefix{};  ///< Only names of the weights that begin so count, without it.
  /// What begins with one of these may be missing, unexpected or of another shape; the model's
  /// tensor then stays as it is. {"bbox_head."}: a head for other classes; {""}: anything.
  std::vector<std::string> may_differ{};
  /// Parameters of the weights' dtype on the CPU are not copied: the module's become these tensors.
  bool share = false;
};

/// What became of each tensor, as "name (shape)".
struct LoadReport {
  int64_t loaded = 0;
  std::vector<std::string> missing;     ///< Of the model; not in the weights.
  std::vector<std::string> unexpected;  ///< Of the weights; not in the model.
  std::vector<std::string> reshaped;    ///< Of another shape; both are named.
  /// What was taken off in front of every name, behind that of the rules, because all fits without
  /// it: "model.".
  std::string prefix;

  bool complete() const { return missing.empty() && unexpected.empty() && reshaped.empty(); }
  /// "1 missing, 0 unexpected, 2 of another shape", and a line for the first five of each.
  std::string differences() const;
};

/// Copies values into the module's parameters and buffers by name. Where they differ in what the
/// rules do not allow, and where nothing at all fits, a prefix that all names have is taken off if
/// that explains all; else throws ModelFileError that says what differs, and nothing is changed.
LoadReport load_weights(Module& module, const StateDict& weights, const LoadRules& rules = {});

}  // namespace kestrel
