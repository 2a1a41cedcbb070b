#include <kestrel/detection/postprocess/candidates.h>

#include <algorithm>
#include <vector>

#include <kestrel/detection/postprocess/take_rows.h>
#include <kestrel/kernels/candidate_select.h>
#include <kestrel/kernels/nms.h>

namespace kestrel {

Candidates::Candidates(int64_t n, Device device)
    : boxes(Tensor::empty({n, 4}, DType::Float32, device)),
      scores(Tensor::empty({n}, DType::Float32, device)),
      labels(Tensor::empty({n}, DType::Int64, device)) {}

Candidates concatenate(std::span<const Candidates> parts) {
  if (parts.size() == 1) return parts[0];
  int64_t total = 0;
  for (const Candidates& part : parts) total += part.size();
  Candidates all(total, parts.empty() ? Device::cpu() : parts[0].scores.device());
  int64_t begin = 0;
  for (const Candidates& part : parts) {
    const int64_t end = begin + part.size();
    if (end == begin) continue;
    all.boxes.slice(begin, end).copy_from(part.boxes);
    all.scores.slice(begin, end).copy_from(part.scores);
    all.labels.slice(begin, end).copy_from(part.labels);
    begin = end;
  }
  return all;
}

void mirror_back(Candidates& candidates, const ImageMeta& meta, float width, float height) {
  if (!meta.flipped && !meta.turned_over) return;
  // A few hundred boxes, once for each view of an image.
  Tensor boxes = candidates.boxes.to(Device::cpu());
  float* box = boxes.data<float>();
  for (int64_t i = 0; i < boxes.numel(); i += 4, box += 4) {
    if (meta.flipped) {
      const float left = width - box[2];
      box[2] = width - box[0];
      box[0] = left;
    }
    if (meta.turned_over) {
      const float top = height - box[3];
      box[3] = height - box[1];
      box[1] = top;
    }
  }
  candidates.boxes = boxes.to(candidates.scores.device());
}

Detections suppress(const Candidates& candidates, const NmsOptions& options, int64_t max_per_img) {
  if (options.type != "nms") {
    fail<UsageError>("[suppress] nms.type must be nms, got ", options.type);
  }
  const Device device = candidates.scores.device();
  Tensor kept = Tensor::empty({candidates.size()}, DType::Int64, device);
  const int64_t count =
      run(device, cpu::nms, gpu::nms, candidates.boxes.view(), candidates.scores.view(),
          options.class_agnostic ? ConstView{} : candidates.labels.view(),
          NmsParams{options.iou_threshold, max_per_img}, kept.view());
  kept = kept.slice(0, count);
  const Tensor scores = take_rows(candidates.scores, kept).to(Device::cpu());
  const auto values = scores.values<float>();
  // Those that are no candidates have the lowest score.
  const auto found =
      static_cast<int64_t>(std::find(values.begin(), values.end(), kNoCandidate) - values.begin());
  kept = kept.slice(0, found);
  return {take_rows(candidates.boxes, kept).to(Device::cpu()), scores.slice(0, found),
          take_rows(candidates.labels, kept).to(Device::cpu())};
}

}  // namespace kestrel
