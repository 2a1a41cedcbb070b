#pragma once

#include <functional>
#include <string>
#include <vector>

#include <kestrel/autograd/variable.h>

namespace kestrel::autograd {

struct GradcheckOptions {
  double step = 1e-6;       ///< Of the central difference.
  double tolerance = 1e-6;  ///< Of |analytic - numeric|, relative to max(1, |numeric|).
  int max_elements = 64;    ///< Elements probed per input, spread evenly; all where it has fewer.
};

/// Compares the gradients that backward() gives for f with central differences, in float64, through
/// a fixed random weighting of all outputs. Inputs are float64 leaves. Returns "" where all agree,
/// else which input and element differ, and by how much.
std::string gradcheck(const std::function<std::vector<Variable>(const std::vector<Variable>&)>& f,
                      const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

}  // namespace kestrel::autograd
