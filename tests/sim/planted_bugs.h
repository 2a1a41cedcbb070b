#pragma once

#include <functional>
#include <ostream>
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

  friend void PrintTo(const Bug& bug, std::ostream* out) { *out << bug.name; }
};
const std::vector<Bug>& bugs();

}  // namespace planted
