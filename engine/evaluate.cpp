#include <kestrel/engine/evaluate.h>

#include <kestrel/data/loader.h>
#include <kestrel/detection/evaluation/coco_results.h>

namespace kestrel {

std::vector<CocoEvalDetection> detect_all(BaseDetector& model, const Dataset& dataset,
                                          const Pipeline& pipeline,
                                          const EvaluateOptions& options) {
  const SequentialSampler sampler(dataset);
  Loader loader(dataset, pipeline, sampler,
                {.batch_size = 1, .workers = options.workers, .bad_image = BadImage::Skip});
  loader.start_epoch(0);
  const autograd::Autocast autocast(options.bfloat16);
  std::vector<int64_t> category_ids;
  for (int64_t label = 0; label < dataset.num_classes(); ++label) {
    category_ids.push_back(dataset.category_id(label));
  }
  std::vector<CocoEvalDetection> all;
  int64_t done = 0;
  while (std::optional<Batch> batch = loader.next()) {
    if (options.stop && options.stop->load()) break;
    batch->images = batch->images.to(options.device);
    const std::vector<Detections> found =
        batch->metas.empty() ? std::vector<Detections>{} : model.predict(*batch);
    for (size_t i = 0; i < found.size(); ++i) {
      append_coco_detections(found[i], batch->metas[i].id, category_ids, all);
    }
    if (options.progress) options.progress(++done, loader.num_batches());
  }
  return all;
}

}  // namespace kestrel
