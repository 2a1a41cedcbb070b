#pragma once

#include <array>
#include <optional>
#include <utility>

#include <kestrel/data/transforms/transform.h>

namespace kestrel {

enum class FlipDirection { Horizontal };
constexpr auto enum_names(FlipDirection) {
  return std::array{std::pair{FlipDirection::Horizontal, "horizontal"}};
}

/// MMDetection's keys.
struct RandomFlipOptions {
  std::optional<double> flip_ratio{};  ///< Probability; unset: only where the sample presets it.
  FlipDirection direction = FlipDirection::Horizontal;

  template <class V>
  void visit(V& v) {
    v("flip_ratio", flip_ratio);
    v("direction", direction);
  }
};

/// Mirrors left to right with a probability: x' = width - x.
class RandomFlip : public Transform {
 public:
  explicit RandomFlip(RandomFlipOptions options);
  bool apply(Sample& sample, Philox& random) const override;

 private:
  RandomFlipOptions options_;
};

}  // namespace kestrel
