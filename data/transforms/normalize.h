#pragma once

#include <array>

#include <kestrel/data/transforms/transform.h>

namespace kestrel {

/// MMDetection's keys; its images are BGR, so that `to_rgb` swaps there and our RGB stays here.
struct NormalizeOptions {
  std::array<float, 3> mean{123.675F, 116.28F, 103.53F};
  std::array<float, 3> std{58.395F, 57.12F, 57.375F};
  bool to_rgb = true;

  template <class V>
  void visit(V& v) {
    v("mean", mean, "taken off, in the order of the result");
    v("std", std, "divided by");
    v("to_rgb", to_rgb, "false: the result is BGR, as MSRA's \"caffe\" weights want it");
  }
};

/// (value - mean) * (1 / std) in float32.
class Normalize : public Transform {
 public:
  explicit Normalize(NormalizeOptions options);
  bool apply(Sample& sample, Philox& random) const override;

 private:
  NormalizeOptions options_;
};

}  // namespace kestrel
