#pragma once

#include <array>
#include <utility>
#include <vector>

#include <kestrel/layers/block.h>
#include <kestrel/layers/conv2d.h>

namespace kestrel {

/// MMCV's options of a ContextBlock.
struct ContextBlockOptions {
  enum class Pooling { Attention, Average };
  enum class Fusion { Add, Multiply };

  double ratio = 0.0625;
  Pooling pooling_type = Pooling::Attention;
  std::vector<Fusion> fusion_types = {Fusion::Add};

  template <class V>
  void visit(V& v) {
    v("ratio", ratio, "channels of the bottleneck, as a part of all");
    v("pooling_type", pooling_type, "attention, or the mean");
    v("fusion_types", fusion_types, "what the pooled pixel does to all others");
  }
};

constexpr auto enum_names(ContextBlockOptions::Pooling) {
  using enum ContextBlockOptions::Pooling;
  return std::array{std::pair{Attention, "att"}, std::pair{Average, "avg"}};
}
constexpr auto enum_names(ContextBlockOptions::Fusion) {
  using enum ContextBlockOptions::Fusion;
  return std::array{std::pair{Add, "channel_add"}, std::pair{Multiply, "channel_mul"}};
}

/// Pools an image to one pixel, by attention or to its mean, transforms that, and adds it to every
/// pixel, or scales every pixel by it (Cao et al. 2019, GCNet). Names of parameters and initial
/// values are MMCV's.
class ContextBlock : public Block {
 public:
  ContextBlock(const ContextBlockOptions& options, int64_t channels);

  Variable forward(const Variable& x) override;
  std::string abbreviation() const override { return "context_block"; }
  void init_weights(Philox& random) override;

 private:
  class PixelNorm;
  class Transform;
  Variable pool(const Variable& x);

  Conv2d* conv_mask_ = nullptr;
  Transform* add_ = nullptr;
  Transform* multiply_ = nullptr;
};

}  // namespace kestrel
