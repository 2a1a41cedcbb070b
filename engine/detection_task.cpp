#include <kestrel/engine/detection_task.h>

#include <kestrel/autograd/functions/arithmetic.h>

namespace kestrel {

DetectionTask::DetectionTask(BaseDetector& model, const ConfiguredDataset& data,
                             const DetectionTaskOptions& options)
    : model_(model),
      options_(options),
      sampler_(*data.dataset, options.loader.batch_size, options.loader.seed),
      loader_(*data.dataset, data.pipeline, sampler_, options.loader) {
  loader_.start_epoch(0);
}

void DetectionTask::begin_epoch(int64_t epoch, int64_t first) {
  model_.train();
  if (!options_.overfit_batch) loader_.start_epoch(static_cast<uint64_t>(epoch), first);
}

void DetectionTask::load_batch() {
  if (options_.overfit_batch && batch_) return;
  batch_ = loader_.next();
  if (!batch_ || batch_->metas.empty()) {
    fail<DataError>("[train] no image of a batch could be read; see the warnings above");
  }
  batch_->images = batch_->images.to(options_.device);
}

StepResult DetectionTask::forward() {
  const autograd::Autocast autocast(options_.amp);
  StepResult result;
  result.losses = model_.losses(*batch_);
  for (const auto& [name, loss] : result.losses) {
    result.loss = result.loss ? autograd::add(result.loss, loss) : loss;
  }
  result.num_samples = static_cast<int64_t>(batch_->metas.size());
  return result;
}

}  // namespace kestrel
