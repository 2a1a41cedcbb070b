#include <algorithm>

#include <kestrel/data/transforms/collate.h>

namespace kestrel {
namespace {

GroundTruth truth_of(const Sample& sample) {
  const auto count = static_cast<int64_t>(sample.boxes.size());
  GroundTruth truth{Tensor::empty({count, 4}), Tensor::empty({count}, DType::Int64)};
  float* boxes = truth.boxes.data<float>();
  for (const Box& b : sample.boxes) {
    for (const float v : {b.x1, b.y1, b.x2, b.y2}) *boxes++ = v;
  }
  std::ranges::copy(sample.labels, truth.labels.data<int64_t>());
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
    batch.truths.push_back(truth_of(s));
  }
  return batch;
}

}  // namespace kestrel
