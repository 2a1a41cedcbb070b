#include <kestrel/detection/structures.h>

#include <algorithm>
#include <limits>

namespace kestrel {
namespace {

int64_t count_of(const Tensor& boxes) {
  return boxes.defined() ? boxes.size(0) : 0;
}

int64_t rounded_up(int64_t count, int64_t step) {
  if (step > 1) count = std::max<int64_t>(count, 1);  // none is no shape of its own
  return (count + step - 1) / step * step;
}

void check_labels(std::span<const GroundTruth> truths, std::span<const ImageMeta> metas,
                  int64_t num_classes) {
  for (size_t image = 0; image < truths.size(); ++image) {
    const auto labels = truths[image].labels.values<int64_t>();
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] >= 0 && labels[i] < num_classes) continue;
      fail<DataError>("[targets] ", metas[image].file, ": label ", labels[i], " of object ", i,
                      " is not in [0, ", num_classes, ")");
    }
  }
}

/// (N, H, W) of the largest map, 255 where there is none.
Tensor pack_semantic(std::span<const GroundTruth> truths) {
  int64_t height = 0, width = 0;
  for (const GroundTruth& truth : truths) {
    if (!truth.semantic) continue;
    height = std::max(height, truth.semantic.size(0));
    width = std::max(width, truth.semantic.size(1));
  }
  if (height == 0) return {};
  Tensor packed =
      Tensor::full({static_cast<int64_t>(truths.size()), height, width}, 255, DType::UInt8);
  uint8_t* out = packed.data<uint8_t>();
  for (const GroundTruth& truth : truths) {
    const Tensor& map = truth.semantic;
    for (int64_t y = 0; map && y < map.size(0); ++y) {
      std::copy_n(map.data<uint8_t>() + y * map.size(1), map.size(1), out + y * width);
    }
    out += height * width;
  }
  return packed;
}

}  // namespace

std::vector<Tensor*> TargetTensors::tensors() {
  std::vector<Tensor*> result;
  for (Tensor* tensor : {&boxes, &labels, &ignored, &sizes, &semantic}) {
    if (tensor->defined()) result.push_back(tensor);
  }
  return result;
}

bool TargetTensors::has_shapes_of(const TargetTensors& other) const {
  const auto same = [](const Tensor& a, const Tensor& b) {
    return a.defined() == b.defined() && a.shape() == b.shape();
  };
  return same(boxes, other.boxes) && same(ignored, other.ignored) &&
         same(semantic, other.semantic) && batch_height == other.batch_height &&
         batch_width == other.batch_width;
}

TargetTensors pack_targets(std::span<const GroundTruth> truths, std::span<const ImageMeta> metas,
                           Device device, int64_t step) {
  KESTREL_CHECK(truths.size() == metas.size() && !truths.empty(), "[pack_targets] ", truths.size(),
                " ground truths and ", metas.size(), " metas");
  const auto images = static_cast<int64_t>(truths.size());
  int64_t objects = 0, regions = 0;
  for (const GroundTruth& truth : truths) {
    objects = std::max(objects, truth.labels.numel());
    regions = std::max(regions, count_of(truth.ignored));
  }
  objects = rounded_up(objects, step);
  regions = rounded_up(regions, step);
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  Tensor boxes = Tensor::full({images, objects, 4}, kNaN);
  Tensor labels = Tensor::full({images, objects}, -1, DType::Int64);
  Tensor ignored = Tensor::full({images, regions, 4}, kNaN);
  Tensor sizes = Tensor::empty({images, 4}, DType::Int64);
  TargetTensors targets;
  for (int64_t i = 0; i < images; ++i) {
    const GroundTruth& truth = truths[static_cast<size_t>(i)];
    std::ranges::copy(truth.boxes.values<float>(), boxes.data<float>() + i * objects * 4);
    std::ranges::copy(truth.labels.values<int64_t>(), labels.data<int64_t>() + i * objects);
    if (truth.ignored) {
      std::ranges::copy(truth.ignored.values<float>(), ignored.data<float>() + i * regions * 4);
    }
    const ImageMeta& meta = metas[static_cast<size_t>(i)];
    std::ranges::copy(std::initializer_list<int64_t>{meta.pad_height, meta.pad_width,
                                                     meta.img_height, meta.img_width},
                      sizes.data<int64_t>() + i * 4);
    targets.batch_height = std::max(targets.batch_height, meta.pad_height);
    targets.batch_width = std::max(targets.batch_width, meta.pad_width);
  }
  targets.boxes = boxes.to(device);
  targets.labels = labels.to(device);
  targets.ignored = ignored.to(device);
  targets.sizes = sizes.to(device);
  const Tensor semantic = pack_semantic(truths);
  if (semantic) targets.semantic = semantic.to(device);
  return targets;
}

Targets targets_of(const Batch& batch, int64_t num_classes) {
  if (batch.targets) return {batch.targets, batch.truths, batch.metas};
  TargetTensors packed = pack_targets(batch.truths, batch.metas, batch.images.device());
  check_labels(batch.truths, batch.metas, num_classes);
  return {std::move(packed), batch.truths, batch.metas};
}

}  // namespace kestrel
