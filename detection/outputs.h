#pragma once

#include <string>
#include <utility>
#include <vector>

#include <kestrel/autograd/variable.h>

namespace kestrel {

/// Named losses, each a scalar; what is minimised is the sum of those with "loss" in their name,
/// as in MMDetection. The others (an accuracy) are for the log.
using Losses = std::vector<std::pair<std::string, Variable>>;

/// What one part of a model gives out, for tests and for export: a name, such as "neck" or
/// "bbox_head.cls_scores", and a tensor per level. The outputs of a head are in the order in which
/// MMDetection's returns them.
struct StageOutput {
  std::string name;
  std::vector<Variable> levels;
};

}  // namespace kestrel
