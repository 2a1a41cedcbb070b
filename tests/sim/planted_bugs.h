#pragma once

#include <functional>
#include <string>
#include <vector>

#include <cuda_sim/control.h>

namespace planted {

/// A mistake, and who must find it.
struct Bug {
  std::string name;
  cuda_sim::Check check;
  std::function<void()> run;
  bool of_the_host = false;  ///< Not on a line of a kernel.
};
const std::vector<Bug>& bugs();

}  // namespace planted
