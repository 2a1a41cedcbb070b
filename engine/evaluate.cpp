#include <kestrel/engine/evaluate.h>

#include <fmt/format.h>

#include <kestrel/data/loader.h>

namespace kestrel {

CocoEvalTruths coco_truths(const Dataset& dataset) {
  CocoEvalTruths truths;
  truths.source = dataset.name();
  for (int64_t label = 0; label < dataset.num_classes(); ++label) {
    truths.categories.push_back(
        {dataset.category_id(label), dataset.class_names()[static_cast<size_t>(label)]});
  }
  int64_t next_id = 1;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo& info = dataset.info(i);
    truths.images.push_back({info.id, info.height, info.width});
    for (const Annotation& annotation : dataset.annotations(i)) {
      CocoEvalTruth truth;
      truth.id = next_id++;
      truth.image_id = info.id;
      truth.category_id = dataset.category_id(annotation.label);
      truth.bbox = annotation.bbox;
      truth.area = annotation.area;
      truth.crowd = annotation.crowd || annotation.difficult;
      truths.annotations.push_back(std::move(truth));
    }
  }
  return truths;
}

std::vector<CocoEvalDetection> detect_all(BaseDetector& model, const Dataset& dataset,
                                          const Pipeline& pipeline,
                                          const EvaluateOptions& options) {
  const SequentialSampler sampler(dataset);
  Loader loader(dataset, pipeline, sampler,
                {.batch_size = 1, .workers = options.workers, .bad_image = BadImage::Skip});
  loader.start_epoch(0);
  const autograd::Autocast autocast(options.bfloat16);
  std::vector<CocoEvalDetection> all;
  int64_t done = 0;
  while (std::optional<Batch> batch = loader.next()) {
    batch->images = batch->images.to(options.device);
    const std::vector<Detections> found =
        batch->metas.empty() ? std::vector<Detections>{} : model.predict(*batch);
    for (size_t i = 0; i < found.size(); ++i) {
      const float* boxes = found[i].boxes.data<float>();
      const float* scores = found[i].scores.data<float>();
      const int64_t* labels = found[i].labels.data<int64_t>();
      for (int64_t d = 0; d < found[i].scores.numel(); ++d) {
        const float* b = boxes + 4 * d;
        CocoEvalDetection detection;
        detection.image_id = batch->metas[i].id;
        detection.category_id = dataset.category_id(labels[d]);
        detection.score = static_cast<double>(scores[d]);
        detection.bbox = {b[0], b[1], static_cast<double>(b[2]) - b[0],
                          static_cast<double>(b[3]) - b[1]};
        all.push_back(std::move(detection));
      }
    }
    if (options.progress) options.progress(++done, loader.num_batches());
  }
  return all;
}

std::string coco_results_json(const std::vector<CocoEvalDetection>& detections) {
  std::string text = "[";
  for (const CocoEvalDetection& d : detections) {
    text += fmt::format(
        "{}\n{{\"image_id\":{},\"category_id\":{},\"bbox\":[{:.3f},{:.3f},{:.3f},{:.3f}],"
        "\"score\":{:.6g}}}",
        text.size() > 1 ? "," : "", d.image_id, d.category_id, d.bbox[0], d.bbox[1], d.bbox[2],
        d.bbox[3], d.score);
  }
  return text + "\n]\n";
}

}  // namespace kestrel
