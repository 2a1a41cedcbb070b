#include <kestrel/engine/tools/batch_size.h>

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include <kestrel/engine/build_run.h>
#include <kestrel/kernels/device.h>
#include <kestrel/tensor/allocator.h>
#include <kestrel/tensor/host_memory.h>

namespace kestrel {
namespace {

/// The images of a batch differ in size: how many batches the largest one is taken of.
constexpr int64_t kBatchesLookedAt = 4;

size_t peak(Device device) {
  return device.is_cuda() ? gpu::memory_stats(device.index()).peak : host_memory_stats().peak;
}

void forget_peak(Device device) {
  if (device.is_cuda()) {
    gpu::release_cached_memory(device.index());
  } else {
    release_cached_memory();
    reset_host_memory_peak();
  }
}

/// The most that tensors held in a step with so many images.
size_t measure_step(Run& run, int64_t batch, const TrainOptions& options) {
  forget_peak(options.device);
  DetectionTask task(*run.model, run.train,
                     {.loader = {.batch_size = batch, .workers = 0, .seed = options.seed},
                      .device = options.device,
                      .amp = options.amp});
  task.begin_epoch(0, 0);
  std::optional<Batch> largest;
  for (int64_t i = 0; i < std::min(kBatchesLookedAt, task.epoch_length()); ++i) {
    task.load_batch();
    if (!largest || task.batch().images.numel() > largest->images.numel()) largest = task.batch();
  }
  task.use_batch(std::move(*largest));
  run.optimizer->zero_grad();
  task.forward().loss.backward();
  run.optimizer->step();
  run.optimizer->zero_grad();
  return peak(options.device);
}

}  // namespace

size_t usable_memory(Device device) {
  if (device.is_cuda()) {
    const auto stats = gpu::memory_stats(device.index());
    return stats.used + stats.cached + stats.free;
  }
  const MemoryStats stats = host_memory_stats();
  return stats.used + stats.cached + available_host_memory() / 10 * 9;
}

int64_t largest_batch(const Config& config, const TrainOptions& options) {
  TrainOptions quiet = options;
  quiet.log = {};
  Run run = build_run(config, quiet);
  const size_t limit = usable_memory(options.device);
  const size_t one = measure_step(run, 1, options);
  const size_t two = measure_step(run, 2, options);
  const size_t per_image = std::max<size_t>(two > one ? two - one : 0, 1);
  const size_t left = limit > one ? limit - one : 0;
  int64_t batch = std::clamp<int64_t>(1 + static_cast<int64_t>(left / per_image), 1,
                                      std::max<int64_t>(1, run.train.dataset->size()));
  while (batch > 2) {
    try {
      if (measure_step(run, batch, options) <= limit) break;
    } catch (const OutOfMemoryError&) {
      // The next smaller one is tried.
    }
    batch = batch * 4 / 5;
  }
  forget_peak(options.device);
  say(options, fmt::format("batch: {} images fit in {} MB (one takes {} MB, each more {} MB)",
                           batch, limit >> 20, one >> 20, per_image >> 20));
  return batch;
}

}  // namespace kestrel
