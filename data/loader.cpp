#include <algorithm>
#include <chrono>
#include <sstream>
#include <utility>

#include <kestrel/data/loader.h>
#include <kestrel/data/transforms/collate.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

LoaderOptions checked(LoaderOptions o, const Dataset& dataset) {
  if (o.batch_size < 1 || o.workers < 0 || o.workers > 256 || o.prefetch < 1) {
    fail<UsageError>("[loader] batch_size must be >= 1, workers 0..256, prefetch >= 1, got ",
                     o.batch_size, ", ", o.workers, ", ", o.prefetch);
  }
  if (dataset.strict()) o.bad_image = BadImage::Throw;
  return o;
}

}  // namespace

Sample load_sample(const Dataset& dataset, int64_t index) {
  const ImageInfo& info = dataset.info(index);
  Sample sample(dataset.load(index));
  TrainingTarget target = dataset.training_target(index);
  sample.instances = {.boxes = std::move(target.boxes),
                      .labels = std::move(target.labels),
                      .ignored = std::move(target.ignored)};
  sample.annotations = dataset.annotations(index);
  sample.semantic_file = info.semantic_file;
  sample.meta.file = info.file;
  sample.meta.id = info.id;
  return sample;
}

Loader::Loader(const Dataset& dataset, Pipeline pipeline, const EpochSampler& sampler,
               LoaderOptions options)
    : dataset_(dataset),
      pipeline_(std::move(pipeline)),
      sampler_(sampler),
      options_(checked(options, dataset)),
      groups_(2),
      order_(std::make_shared<std::vector<int64_t>>()) {
  for (int64_t i = 0; i < dataset.size(); ++i) {
    groups_[static_cast<size_t>(dataset.group(i))].push_back(i);
  }
  ring_.resize(static_cast<size_t>(std::max<int64_t>(1, options_.workers * options_.prefetch)));
  for (int64_t i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { work(); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  consumed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Loader::start_epoch(uint64_t epoch, int64_t first) {
  auto order = std::make_shared<const std::vector<int64_t>>(sampler_.order(epoch));
  for (const int64_t i : *order) dataset_.info(i);  // checks the index
  const auto count = static_cast<int64_t>(order->size());
  {
    const std::lock_guard lock(mutex_);
    order_ = std::move(order);
    epoch_ = epoch;
    ++generation_;
    num_batches_ = (count + options_.batch_size - 1) / options_.batch_size;
    next_made_ = next_taken_ = std::clamp<int64_t>(first, 0, num_batches_);
    for (Result& slot : ring_) slot = {};
    stats_ = {};
    started_ = now();
  }
  consumed_.notify_all();
}

void Loader::work() {
  set_num_threads(1);  // the images of a batch are work enough; no pool per worker
  std::unique_lock lock(mutex_);
  while (true) {
    const auto slots = static_cast<int64_t>(ring_.size());
    consumed_.wait(lock, [&] {
      return stop_ || (next_made_ < num_batches_ && next_made_ < next_taken_ + slots);
    });
    if (stop_) return;
    const int64_t index = next_made_++;
    const uint64_t generation = generation_, epoch = epoch_;
    const auto order = order_;
    lock.unlock();
    Result result = produce(epoch, *order, index);
    lock.lock();
    if (generation != generation_) continue;  // of an epoch that was given up
    ring_[static_cast<size_t>(index % slots)] = std::move(result);
    produced_.notify_all();
  }
}

std::optional<Batch> Loader::next() {
  const double begin = now();
  while (true) {
    std::unique_lock lock(mutex_);
    if (next_taken_ >= num_batches_) {
      lock.unlock();
      sum_up();
      return std::nullopt;
    }
    const int64_t index = next_taken_;
    Result result;
    if (options_.workers == 0) {
      const uint64_t epoch = epoch_;
      const auto order = order_;
      next_made_ = index + 1;
      lock.unlock();
      result = produce(epoch, *order, index);
      lock.lock();
    } else {
      Result& slot = ring_[static_cast<size_t>(index) % ring_.size()];
      produced_.wait(lock, [&] { return slot.ready; });
      result = std::exchange(slot, {});
    }
    ++next_taken_;
    stats_.wait_seconds += now() - begin;
    if (result.batch) {
      ++stats_.batches;
      stats_.images += static_cast<int64_t>(result.batch->metas.size());
    }
    lock.unlock();
    consumed_.notify_all();
    if (result.error) std::rethrow_exception(result.error);
    if (result.batch) return std::move(result.batch);  // else all of its images were skipped
  }
}

LoaderStats Loader::stats() const {
  const std::lock_guard lock(mutex_);
  LoaderStats stats = stats_;
  stats.total_seconds = now() - started_;
  return stats;
}

Loader::Result Loader::produce(uint64_t epoch, const std::vector<int64_t>& order, int64_t index) {
  Result result;
  result.ready = true;
  try {
    const int64_t begin = index * options_.batch_size;
    const int64_t end = std::min(begin + options_.batch_size, static_cast<int64_t>(order.size()));
    std::vector<Sample> samples;
    for (int64_t place = begin; place < end; ++place) {
      auto sample = make_sample(epoch, place, order[static_cast<size_t>(place)]);
      if (sample) samples.push_back(std::move(*sample));
    }
    if (!samples.empty()) result.batch = collate(samples);
  } catch (...) {
    result.error = std::current_exception();
  }
  return result;
}

std::optional<Sample> Loader::make_sample(uint64_t epoch, int64_t place, int64_t index) {
  constexpr int kTries = 100;
  Philox random(options_.seed, epoch, static_cast<uint64_t>(place));
  const auto& group = groups_[static_cast<size_t>(dataset_.group(index))];
  std::set<int64_t> tried;
  std::string first_reason;
  for (int tries = 0; tries < kTries; ++tries) {
    try {
      Sample sample = load_sample(dataset_, index);
      note_size(sample.meta, index);
      const DatasetSamples others(dataset_, pipeline_);
      sample.others = &others;
      const bool useful = pipeline_.apply(sample, random);
      sample.others = nullptr;
      if (useful) return sample;
    } catch (const DataError& error) {
      if (options_.bad_image == BadImage::Throw) throw;
      report_bad(index, error.what());
      if (first_reason.empty()) first_reason = error.what();
      if (options_.bad_image == BadImage::Skip) return std::nullopt;
    }
    tried.insert(index);
    index = group[static_cast<size_t>(random.integer(0, static_cast<int64_t>(group.size())))];
  }
  fail<DataError>("[loader] no image of this orientation could be used: ", tried.size(), " of ",
                  group.size(), " were tried; the first: ",
                  first_reason.empty() ? "the transforms leave nothing of it" : first_reason);
}

// Boxes of a picture that was turned or scaled after it was annotated are wrong.
void Loader::note_size(const ImageMeta& meta, int64_t index) {
  const ImageInfo& info = dataset_.info(index);
  if (meta.ori_width == info.width && meta.ori_height == info.height) return;
  {
    const std::lock_guard lock(mutex_);
    if (!reported_.insert(index).second) return;
  }
  std::ostringstream text;
  text << "[loader] " << info.file << ": is " << meta.ori_width << "x" << meta.ori_height
       << " pixels, but its annotations are for " << info.width << "x" << info.height;
  warn(text.str());
}

void Loader::report_bad(int64_t index, const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    ++stats_.bad_images;
    if (!reported_.insert(index).second) return;
    ++left_out_;
  }
  warn("[loader] image " + std::to_string(dataset_.info(index).id) + " is left out: " + reason);
}

void Loader::sum_up() {
  int64_t count = 0;
  {
    const std::lock_guard lock(mutex_);
    if (left_out_ == summed_up_) return;
    count = summed_up_ = left_out_;
  }
  warn("[loader] " + std::to_string(count) + " of " + std::to_string(dataset_.size()) +
       " images cannot be used and are left out; kestrel check-data lists them");
}

}  // namespace kestrel
