#pragma once

#include <array>
#include <string>
#include <vector>

/// The surfaces that the optimizers go down: functions of two variables with their gradients.
struct Surface {
  std::string name;
  std::string formula;
  double (*value)(double x, double y);
  std::array<double, 2> (*gradient)(double x, double y);
  std::array<double, 2> start;
  double left, right, bottom, top;  ///< What is drawn. A path that leaves it ends there.
};

/// Himmelblau's function, the monkey saddle, and a landscape of many peaks.
std::vector<Surface> surfaces();
