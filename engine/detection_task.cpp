#include <kestrel/engine/detection_task.h>

#include <algorithm>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/engine/step_numbers.h>

namespace kestrel {

DetectionTask::DetectionTask(BaseDetector& model, const ConfiguredDataset& data,
                             const DetectionTaskOptions& options)
    : model_(model),
      options_(options),
      sampler_(*data.dataset, options.loader.batch_size, options.loader.seed),
      loader_(*data.dataset, data.pipeline, sampler_, options.loader) {
  loader_.start_epoch(0);
  if (options.cuda_graph) {
    if (!options.device.is_cuda()) {
      fail<UsageError>("[train] --cuda-graph needs --device cuda");
    }
    if (model.needs_host_targets()) {
      fail<UsageError>(
          "[train] --cuda-graph cannot record this detector, whose losses wait for the device or "
          "look at masks; leave it out");
    }
    graphs_ = std::make_unique<StepGraphs>(model, options.device,
                                           [this](const Batch& batch) { return losses(batch); });
  }
}

void DetectionTask::begin_epoch(int64_t epoch, int64_t first) {
  model_.train();
  if (!options_.overfit_batch) loader_.start_epoch(static_cast<uint64_t>(epoch), first);
}

void DetectionTask::load_batch() {
  if (options_.overfit_batch && batch_) return;
  if (batch_ && options_.device.is_cuda()) {
    earlier_.push_front(std::move(*batch_));
    if (earlier_.size() > StepNumbers::kMaxPending) earlier_.pop_back();
  }
  batch_ = loader_.next();
  if (!batch_ || batch_->metas.empty()) {
    fail<DataError>("[train] no image of a batch could be read; see the warnings above");
  }
  batch_->images = batch_->images.to(options_.device);
  // Batches of one shape should stay of one shape: their numbers of objects are rounded up.
  constexpr int64_t kObjectStep = 32;
  batch_->targets =
      pack_targets(batch_->truths, batch_->metas, options_.device, graphs_ ? kObjectStep : 1);
}

const Batch& DetectionTask::batch(int64_t steps_ago) const {
  const auto ago = std::min(static_cast<size_t>(steps_ago), earlier_.size());
  return ago == 0 ? *batch_ : earlier_[ago - 1];
}

StepResult DetectionTask::losses(const Batch& batch) {
  const autograd::Autocast autocast(options_.amp);
  StepResult result;
  result.losses = model_.losses(batch);
  for (const auto& [name, loss] : result.losses) {
    if (name.find("loss") == std::string::npos) continue;
    result.loss = result.loss ? autograd::add(result.loss, loss) : loss;
  }
  result.num_samples = static_cast<int64_t>(batch.metas.size());
  return result;
}

StepResult DetectionTask::forward() {
  return graphs_ ? graphs_->step(*batch_) : losses(*batch_);
}

}  // namespace kestrel
