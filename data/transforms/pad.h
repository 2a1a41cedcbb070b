#pragma once

#include <array>
#include <optional>

#include <kestrel/data/transforms/transform.h>

namespace kestrel {

/// MMDetection's keys.
struct PadOptions {
  std::optional<std::array<int64_t, 2>> size{};
  std::optional<int64_t> size_divisor{};
  bool pad_to_square = false;
  double pad_val = 0;

  template <class V>
  void visit(V& v) {
    v("size", size, "height, width");
    v("size_divisor", size_divisor, "the sides become multiples of this");
    v("pad_to_square", pad_to_square, "the shorter side becomes as long as the other");
    v("pad_val", pad_val, "value of the new pixels");
  }
};

/// Pads right and below with zeros: to a size, to a multiple, or to a square.
class Pad : public Transform {
 public:
  explicit Pad(PadOptions options);
  bool apply(Sample& sample, Philox& random) const override;

 private:
  PadOptions options_;
};

}  // namespace kestrel
