#include <algorithm>
#include <vector>

#include <kestrel/data/transforms/collate.h>

namespace kestrel {
namespace {

Tensor to_tensor(const std::vector<Box>& boxes) {
  Tensor tensor = Tensor::empty({std::ssize(boxes), 4});
  float* out = tensor.data<float>();
  for (const Box& b : boxes) {
    for (const float v : {b.x1, b.y1, b.x2, b.y2}) *out++ = v;
  }
  return tensor;
}

GroundTruth truth_of(const Instances& instances) {
  GroundTruth truth{.boxes = to_tensor(instances.boxes),
                    .labels = Tensor::from(instances.labels, {std::ssize(instances.labels)}),
                    .ignored = to_tensor(instances.ignored),
                    .masks = instances.masks};
  const SemanticMap& map = instances.semantic;
  if (!map.empty()) truth.semantic = Tensor::from(map.classes, {map.height, map.width});
  if (!instances.proposals.empty()) truth.proposals = to_tensor(instances.proposals);
  return truth;
}

}  // namespace

Batch collate(std::span<const Sample> samples) {
  int64_t height = 0, width = 0;
  for (const Sample& s : samples) {
    height = std::max(height, s.meta.pad_height);
    width = std::max(width, s.meta.pad_width);
  }
  const auto count = static_cast<int64_t>(samples.size());
  Batch batch;
  batch.images = Tensor::empty({count, height, width, 3});
  float* out = batch.images.data<float>();
  for (const Sample& s : samples) {
    s.write(out, height, width);
    out += height * width * 3;
    batch.metas.push_back(s.meta);
    batch.truths.push_back(truth_of(s.instances));
  }
  return batch;
}

}  // namespace kestrel
