#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <kestrel/detection/structures.h>
#include <kestrel/layers/module.h>

/// The C++ side of tests/golden/retinanet_torchvision.py: the same weights and images from the same
/// hash, and the digests that its JSON files hold.
namespace kestrel::torch_reference {

/// A number in [-1, 1) that depends on name and index only; exact in float32.
class Unit {
 public:
  explicit Unit(std::string_view name);
  double operator()(int64_t index) const;

 private:
  uint64_t seed_;
};

/// tests/golden/data/retinanet_<name>.json.
nlohmann::json load_case(const std::string& name);

/// The case's weights under Kestrel's names and in its layouts.
StateDict make_weights(const nlohmann::json& reference);

/// The case's images, padded to one batch (N, H, W, 3), with metas and ground truths.
Batch make_batch(const nlohmann::json& reference);

/// Values in PyTorch's order: the last dimension of four moved to the second place, so NHWC becomes
/// NCHW and (O, kh, kw, I) becomes (O, I, kh, kw); others as they are.
std::vector<double> torch_order(const Tensor& tensor);

/// The largest of the differences between a tensor and the digest recorded for it, relative to the
/// digest's norm: of the norm, of the projections, and of the samples (relative to the root mean
/// square). `digest` is an object as in "eval_outputs", or [norm, projection, projection].
double digest_error(const Tensor& tensor, const nlohmann::json& digest);
double digest_error(const std::vector<double>& torch_values, const nlohmann::json& digest);

}  // namespace kestrel::torch_reference
