#include "surfaces.h"

#include <cmath>
#include <numbers>

namespace {

// Four equal minima, each of value 0.
double himmelblau(double x, double y) {
  const double a = x * x + y - 11, b = x + y * y - 7;
  return (a * a + b * b) / 50;
}
std::array<double, 2> himmelblau_gradient(double x, double y) {
  const double a = x * x + y - 11, b = x + y * y - 7;
  return {(4 * x * a + 2 * b) / 50, (2 * a + 4 * y * b) / 50};
}

// Flat at the origin; three ways down, three up.
double monkey_saddle(double x, double y) {
  return x * x * x - 3 * x * y * y;
}
std::array<double, 2> monkey_saddle_gradient(double x, double y) {
  return {3 * x * x - 3 * y * y, -6 * x * y};
}

// Rastrigin's function, its waves lower: a minimum near every pair of whole numbers, the least of
// them at the origin.
constexpr double kWave = 0.25, kTurn = 2 * std::numbers::pi;
double peaks(double x, double y) {
  return (x * x + y * y) / 4 + kWave * (2 - std::cos(kTurn * x) - std::cos(kTurn * y));
}
std::array<double, 2> peaks_gradient(double x, double y) {
  return {x / 2 + kWave * kTurn * std::sin(kTurn * x), y / 2 + kWave * kTurn * std::sin(kTurn * y)};
}

}  // namespace

std::vector<Surface> surfaces() {
  return {
      {"Himmelblau",
       "((x\u00b2 + y \u2212 11)\u00b2 + (x + y\u00b2 \u2212 7)\u00b2) / 50",
       himmelblau,
       himmelblau_gradient,
       {-0.6, -1.2},
       -5,
       5,
       -5,
       5},
      {"Monkey saddle",
       "x\u00b3 \u2212 3xy\u00b2",
       monkey_saddle,
       monkey_saddle_gradient,
       {0.9, 0.06},
       -1.3,
       1.3,
       -1.3,
       1.3},
      {"Many peaks",
       "(x\u00b2 + y\u00b2) / 4 + (2 \u2212 cos 2\u03c0x \u2212 cos 2\u03c0y) / 4",
       peaks,
       peaks_gradient,
       {-2.6, 1.7},
       -3.2,
       1.6,
       -1.6,
       2.6},
  };
}
