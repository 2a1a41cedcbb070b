#include <kestrel/detection/anchors/anchor_generator.h>

#include <algorithm>
#include <cmath>

#include <kestrel/kernels/parallel.h>

namespace kestrel {
namespace {

const Registration<AnchorGenerator, AnchorGenerator, AnchorGeneratorOptions> kAnchorGenerator{
    "AnchorGenerator", "boxes of several sizes and ratios on a grid"};

constexpr size_t kCachedGrids = 16;

std::vector<double> scales_of(const AnchorGeneratorOptions& options) {
  const bool octaves = options.octave_base_scale && options.scales_per_octave;
  if (!(octaves ? options.scales.empty() : !options.scales.empty())) {
    fail<UsageError>(
        "[anchor_generator] give either scales or both octave_base_scale and scales_per_octave");
  }
  if (!octaves) return options.scales;
  std::vector<double> scales;
  for (int64_t i = 0; i < *options.scales_per_octave; ++i) {
    scales.push_back(
        std::exp2(static_cast<double>(i) / static_cast<double>(*options.scales_per_octave)) *
        *options.octave_base_scale);
  }
  return scales;
}

/// In float32 and in the order of operations of MMDetection and torchvision, to the last bit.
Tensor make_base_anchors(float base, const std::vector<double>& scales,
                         const AnchorGeneratorOptions& options) {
  std::vector<float> values;
  const auto push = [&](double ratio, double scale) {
    const float h_ratio = std::sqrt(static_cast<float>(ratio));
    const float w_ratio = 1.0f / h_ratio;
    const auto s = static_cast<float>(scale);
    const float w = options.scale_major ? base * w_ratio * s : base * s * w_ratio;
    const float h = options.scale_major ? base * h_ratio * s : base * s * h_ratio;
    const float c = static_cast<float>(options.center_offset) * base;
    for (const float v : {c - 0.5f * w, c - 0.5f * h, c + 0.5f * w, c + 0.5f * h}) {
      values.push_back(options.round_base_anchors ? std::nearbyint(v) : v);
    }
  };
  if (options.scale_major) {
    for (const double ratio : options.ratios) {
      for (const double scale : scales) push(ratio, scale);
    }
  } else {
    for (const double scale : scales) {
      for (const double ratio : options.ratios) push(ratio, scale);
    }
  }
  return Tensor::from(values, {static_cast<int64_t>(values.size() / 4), 4});
}

}  // namespace

AnchorGenerator::AnchorGenerator(const AnchorGeneratorOptions& options) : options_(options) {
  const size_t levels = options.strides.size();
  if (levels == 0 || options.ratios.empty()) {
    fail<UsageError>("[anchor_generator] needs strides and ratios");
  }
  for (const int64_t stride : options.strides) {
    if (stride <= 0) fail<UsageError>("[anchor_generator] strides must be positive, got ", stride);
  }
  if (!options.base_sizes.empty() && options.base_sizes.size() != levels) {
    fail<UsageError>("[anchor_generator] ", options.base_sizes.size(), " base_sizes for ", levels,
                     " strides");
  }
  if (!options.sizes.empty() && options.sizes.size() != levels) {
    fail<UsageError>("[anchor_generator] ", options.sizes.size(), " lists of sizes for ", levels,
                     " strides");
  }
  for (size_t i = 0; i < levels; ++i) {
    if (!options.sizes.empty()) {
      base_anchors_.push_back(make_base_anchors(1.0f, options.sizes[i], options));
      continue;
    }
    const double base = options.base_sizes.empty() ? static_cast<double>(options.strides[i])
                                                   : options.base_sizes[i];
    base_anchors_.push_back(
        make_base_anchors(static_cast<float>(base), scales_of(options), options));
  }
}

AnchorGrid AnchorGenerator::grid(const std::vector<GridSize>& levels, int64_t image_height,
                                 int64_t image_width, Device device) const {
  KESTREL_CHECK(levels.size() == num_levels(), "[anchor_generator] ", levels.size(), " levels for ",
                num_levels(), " strides");
  // x stride and y stride of each level.
  std::vector<int64_t> strides;
  for (size_t i = 0; i < levels.size(); ++i) {
    const bool from_image = options_.strides_from_image;
    const auto pick = [&](int64_t image, int64_t cells) {
      return from_image ? image / std::max<int64_t>(1, cells) : options_.strides[i];
    };
    strides.push_back(pick(image_width, levels[i].width));
    strides.push_back(pick(image_height, levels[i].height));
  }
  const std::lock_guard lock(mutex_);
  for (const CacheEntry& entry : cache_) {
    if (entry.levels == levels && entry.strides == strides && entry.device == device) {
      return entry.grid;
    }
  }
  if (cache_.size() == kCachedGrids) cache_.erase(cache_.begin());
  AnchorGrid grid = make_grid(levels, strides);
  grid.anchors = grid.anchors.to(device);
  cache_.push_back({levels, strides, device, std::move(grid)});
  return cache_.back().grid;
}

AnchorGrid AnchorGenerator::make_grid(const std::vector<GridSize>& levels,
                                      const std::vector<int64_t>& strides) const {
  AnchorGrid result;
  int64_t count = 0;
  for (size_t i = 0; i < levels.size(); ++i) {
    result.levels.push_back({.begin = count,
                             .height = levels[i].height,
                             .width = levels[i].width,
                             .per_cell = num_base_anchors(i),
                             .stride = options_.strides[i]});
    count += result.levels.back().size();
  }
  result.anchors = Tensor::empty({count, 4});
  for (size_t i = 0; i < levels.size(); ++i) {
    const int64_t per_cell = num_base_anchors(i);
    const float* base = base_anchors_[i].data<float>();
    float* out = result.anchors.data<float>() + result.begin(i) * 4;
    parallel_for(levels[i].height, 8, [&](int64_t begin, int64_t end) {
      for (int64_t y = begin; y < end; ++y) {
        for (int64_t x = 0; x < levels[i].width; ++x) {
          const auto shift_x = static_cast<float>(x * strides[2 * i]);
          const auto shift_y = static_cast<float>(y * strides[2 * i + 1]);
          float* cell = out + (y * levels[i].width + x) * per_cell * 4;
          for (int64_t k = 0; k < per_cell * 4; ++k) {
            cell[k] = base[k] + (k % 2 == 0 ? shift_x : shift_y);
          }
        }
      }
    });
  }
  return result;
}

}  // namespace kestrel
