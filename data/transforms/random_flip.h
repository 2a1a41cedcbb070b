#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include <kestrel/data/transforms/transform.h>
#include <kestrel/registry/options.h>

namespace kestrel {

enum class FlipDirection : uint8_t { Horizontal, Vertical, Diagonal };
constexpr auto enum_names(FlipDirection) {
  return std::array{std::pair{FlipDirection::Horizontal, "horizontal"},
                    std::pair{FlipDirection::Vertical, "vertical"},
                    std::pair{FlipDirection::Diagonal, "diagonal"}};
}

/// MMDetection's keys. In a config each is one value or a list.
struct RandomFlipOptions {
  OneOrMore<double> flip_ratio{};
  OneOrMore<FlipDirection> direction{{FlipDirection::Horizontal}};

  template <class V>
  void visit(V& v) {
    v("flip_ratio", flip_ratio,
      "probability of flipping at all, shared by the directions, or one for each; empty: only "
      "where the sample presets it");
    v("direction", direction, "which flips are drawn");
  }
};

/// Mirrors the image in at most one of the directions: horizontal x' = width - x, vertical
/// y' = height - y, diagonal both.
class RandomFlip : public Transform {
 public:
  explicit RandomFlip(RandomFlipOptions options);
  bool apply(Sample& sample, Philox& random) const override;

 private:
  RandomFlipOptions options_;  // with one probability per direction
};

}  // namespace kestrel
