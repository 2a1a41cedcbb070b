#include <kestrel/engine/hooks/data_plot_hooks.h>

#include <fmt/format.h>

#include <kestrel/data/image.h>
#include <kestrel/engine/plots/label_statistics.h>
#include <kestrel/engine/records/batch_pictures.h>
#include <kestrel/engine/runner.h>

namespace kestrel {
namespace {

const HookRegistration<LabelStatisticsHook, NoOptions> kLabels{
    "LabelStatisticsHook", "draws where and how large the objects of the training data are"};
const HookRegistration<TrainBatchHook, TrainBatchOptions> kTrainBatch{
    "TrainBatchHook", "draws the first batches as the network gets them"};

}  // namespace

LabelStatisticsHook::LabelStatisticsHook(const NoOptions&, const HookContext& context)
    : file_(context.folder / "labels.png"), dataset_(context.train) {}

void LabelStatisticsHook::before_run(Runner&) {
  write_image(file_, label_statistics(*dataset_, "Training set: " + dataset_->name()));
}

TrainBatchHook::TrainBatchHook(const TrainBatchOptions& options, const HookContext& context)
    : options_(options),
      folder_(context.folder),
      task_(context.task),
      dataset_(context.train),
      normalization_(normalization_of(context.train_config)) {}

void TrainBatchHook::before_iter(Runner& runner) {
  if (runner.iter() >= options_.num_batches) return;
  write_image(folder_ / fmt::format("train_batch{}.jpg", runner.iter()),
              batch_sheet(task_->batch(), normalization_, dataset_->class_names()));
}

}  // namespace kestrel
