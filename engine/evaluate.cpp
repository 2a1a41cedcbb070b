#include <kestrel/engine/evaluate.h>

#include <kestrel/data/loader.h>
#include <kestrel/detection/evaluation/coco_results.h>

namespace kestrel {

void check_readable(const Dataset& dataset) {
  std::string first;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    try {
      static_cast<void>(dataset.load(i));
      return;
    } catch (const DataError& error) {
      if (i == 0) first = error.what();
    }
  }
  if (dataset.size() == 0) {
    fail<DataError>("[evaluate] ", dataset.name(),
                    " has no picture: there is nothing to evaluate on");
  }
  fail<DataError>("[evaluate] none of the ", dataset.size(), " pictures of ", dataset.name(),
                  " can be read: the first was sought as ", dataset.info(0).file, " (", first,
                  "); is the folder of the pictures (img_prefix) right?");
}

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
  int64_t done = 0, read = 0;
  while (std::optional<Batch> batch = loader.next()) {
    if (options.stop && options.stop->load()) break;
    batch->images = batch->images.to(options.device);
    const std::vector<Detections> found =
        batch->metas.empty() ? std::vector<Detections>{} : model.predict(*batch);
    read += static_cast<int64_t>(found.size());
    for (size_t i = 0; i < found.size(); ++i) {
      append_coco_detections(found[i], batch->metas[i].id, category_ids, all);
    }
    if (options.progress) options.progress(++done, loader.num_batches());
  }
  if (read == 0) check_readable(dataset);
  return all;
}

}  // namespace kestrel
