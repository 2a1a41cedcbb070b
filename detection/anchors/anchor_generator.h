#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include <kestrel/detection/structures.h>
#include <kestrel/kernels/anchor_targets.h>
#include <kestrel/registry/registry.h>

namespace kestrel {

/// Cells of one pyramid level.
struct GridSize {
  int64_t height = 0, width = 0;

  int64_t cells() const { return height * width; }
  friend bool operator==(const GridSize&, const GridSize&) = default;
};

struct AnchorGeneratorOptions {
  std::vector<int64_t> strides = {};
  std::vector<double> ratios = {1.0};
  std::vector<double> scales = {};
  std::optional<double> octave_base_scale = {};
  std::optional<int64_t> scales_per_octave = {};
  std::vector<double> base_sizes = {};
  bool scale_major = true;
  double center_offset = 0;

  // Of torchvision.
  std::vector<std::vector<double>> sizes = {};
  bool round_base_anchors = false;
  bool strides_from_image = false;

  template <class V>
  void visit(V& v) {
    v("strides", strides, "pixels per cell of each level");
    v("ratios", ratios, "height over width");
    v("scales", scales, "of base_sizes; or, instead, the octaves below");
    v("octave_base_scale", octave_base_scale, "RetinaNet: scales are this * 2^(i / n)");
    v("scales_per_octave", scales_per_octave, "n: for i < n");
    v("base_sizes", base_sizes, "of each level; empty: its stride");
    v("scale_major", scale_major, "anchors of a cell: by ratio, then by scale");
    v("center_offset", center_offset, "of an anchor's centre in its cell, in base sizes");
    v("sizes", sizes, "torchvision: sizes of each level, instead of base * scale");
    v("round_base_anchors", round_base_anchors,
      "torchvision: rounds the anchors at the origin to whole pixels");
    v("strides_from_image", strides_from_image,
      "torchvision: stride = image side // cells, of the padded batch");
  }
};

/// Anchors of all levels of a pyramid, level by level; within a level by row, column and then
/// anchor of the cell, like the predictions of a dense head.
struct AnchorGrid {
  Tensor anchors;  ///< (n, 4) float32.
  std::vector<AnchorLevel> levels;

  int64_t begin(size_t level) const { return levels[level].begin; }
  int64_t end(size_t level) const { return levels[level].begin + levels[level].size(); }
  /// The anchors of one level; shares memory.
  Tensor level(size_t i) const { return anchors.slice(begin(i), end(i)); }
};

/// Boxes of fixed sizes and shapes around the cells of a pyramid: MMDetection's AnchorGenerator.
/// The centre of cell (row, column) is at exactly (column * stride, row * stride).
class AnchorGenerator {
 public:
  static constexpr const char* kKind = "anchor generator";

  explicit AnchorGenerator(const AnchorGeneratorOptions& options);
  virtual ~AnchorGenerator() = default;

  size_t num_levels() const { return base_anchors_.size(); }
  /// Anchors per cell; the same on all levels in the heads that share their convolutions.
  int64_t num_base_anchors(size_t level) const { return base_anchors_[level].size(0); }
  /// (A, 4): the anchors of a cell at the origin.
  const Tensor& base_anchors(size_t level) const { return base_anchors_[level]; }

  /// Anchors for levels of these sizes. Grids of the last few shapes are kept, so the tensors must
  /// not be written to. The image's size matters with strides_from_image alone. Thread-safe.
  AnchorGrid grid(const std::vector<GridSize>& levels, int64_t image_height, int64_t image_width,
                  Device device = {}) const;

 private:
  struct CacheEntry {
    std::vector<GridSize> levels;
    std::vector<int64_t> strides;
    Device device;
    AnchorGrid grid;
  };
  AnchorGrid make_grid(const std::vector<GridSize>& levels,
                       const std::vector<int64_t>& strides) const;

  AnchorGeneratorOptions options_;
  std::vector<Tensor> base_anchors_;
  mutable std::mutex mutex_;
  mutable std::vector<CacheEntry> cache_;
};

}  // namespace kestrel
