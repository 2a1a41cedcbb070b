#include <kestrel/detection/structures.h>

#include <algorithm>
#include <limits>

namespace kestrel {

TargetTensors pack_targets(const std::vector<GroundTruth>& truths,
                           const std::vector<ImageMeta>& metas, Device device,
                           int64_t min_objects) {
  KESTREL_CHECK(truths.size() == metas.size() && !truths.empty(), "[pack_targets] ", truths.size(),
                " ground truths and ", metas.size(), " metas");
  const auto images = static_cast<int64_t>(truths.size());
  int64_t objects = min_objects;
  for (const GroundTruth& truth : truths) objects = std::max(objects, truth.labels.numel());
  Tensor boxes = Tensor::full({images, objects, 4}, std::numeric_limits<double>::quiet_NaN());
  Tensor labels = Tensor::full({images, objects}, -1, DType::Int64);
  Tensor sizes = Tensor::empty({images, 4}, DType::Int64);
  TargetTensors targets;
  for (int64_t i = 0; i < images; ++i) {
    const GroundTruth& truth = truths[static_cast<size_t>(i)];
    std::ranges::copy(truth.boxes.values<float>(), boxes.data<float>() + i * objects * 4);
    std::ranges::copy(truth.labels.values<int64_t>(), labels.data<int64_t>() + i * objects);
    const ImageMeta& meta = metas[static_cast<size_t>(i)];
    std::ranges::copy(std::initializer_list<int64_t>{meta.pad_height, meta.pad_width,
                                                     meta.img_height, meta.img_width},
                      sizes.data<int64_t>() + i * 4);
    targets.batch_height = std::max(targets.batch_height, meta.pad_height);
    targets.batch_width = std::max(targets.batch_width, meta.pad_width);
  }
  targets.boxes = boxes.to(device);
  targets.labels = labels.to(device);
  targets.sizes = sizes.to(device);
  return targets;
}

}  // namespace kestrel
