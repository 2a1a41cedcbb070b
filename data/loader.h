#pragma once

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/data/samplers/sampler.h>
#include <kestrel/data/transforms/pipeline.h>
#include <kestrel/detection/structures.h>

namespace kestrel {

/// What to do with an image that does not decode.
enum class BadImage {
  Substitute,  ///< Training: another image of the same group takes its place.
  Skip,        ///< Evaluation: the batch is smaller.
  Throw
};

struct LoaderOptions {
  int64_t batch_size = 2;
  int64_t workers = 2;   ///< Threads; 0: the batches are made in next().
  int64_t prefetch = 2;  ///< Batches made ahead per worker.
  uint64_t seed = 0;
  BadImage bad_image = BadImage::Substitute;  ///< A strict data set's are thrown.
};

struct LoaderStats {
  int64_t batches = 0, images = 0;
  int64_t bad_images = 0;    ///< Images that did not decode, counted each time.
  double wait_seconds = 0;   ///< That the consumer spent in next().
  double total_seconds = 0;  ///< Since the epoch began.
  double wait_share() const { return total_seconds > 0 ? wait_seconds / total_seconds : 0; }
};

/// An image with its boxes and meta as the data set has them. Throws DataError naming the file.
Sample load_sample(const Dataset& dataset, int64_t index);

/// Makes batches ahead of the consumer. Every random number is keyed by (seed, epoch, place in the
/// epoch), so that the batches do not depend on the number of threads. Warns of every image that is
/// left out once, and of how many there are at the end of an epoch. The data set and the sampler
/// have to outlive the loader. For one consumer thread.
class Loader {
 public:
  Loader(const Dataset& dataset, Pipeline pipeline, const EpochSampler& sampler,
         LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Begins an epoch, dropping what is left of another; from batch `first` to resume within one.
  void start_epoch(uint64_t epoch, int64_t first = 0);
  /// Batches of the epoch begun last.
  int64_t num_batches() const { return num_batches_; }
  /// The next batch, or none at the end of the epoch. Rethrows what a worker threw for it.
  std::optional<Batch> next();
  /// Of the epoch begun last.
  LoaderStats stats() const;

 private:
  struct Result {
    std::optional<Batch> batch;
    std::exception_ptr error;
    bool ready = false;
  };

  void work();
  Result produce(uint64_t epoch, const std::vector<int64_t>& order, int64_t index);
  std::optional<Sample> make_sample(uint64_t epoch, int64_t place, int64_t index);
  void note_size(const ImageMeta& meta, int64_t index);
  void report_bad(int64_t index, const std::string& reason);
  void sum_up();

  const Dataset& dataset_;
  const Pipeline pipeline_;
  const EpochSampler& sampler_;
  const LoaderOptions options_;
  std::vector<std::vector<int64_t>> groups_;  // indices by Dataset::group

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  std::condition_variable produced_, consumed_;
  std::shared_ptr<const std::vector<int64_t>> order_;
  std::vector<Result> ring_;  // batch b lies at b modulo the size
  uint64_t epoch_ = 0, generation_ = 0;
  int64_t num_batches_ = 0;
  int64_t next_made_ = 0, next_taken_ = 0;
  bool stop_ = false;
  std::set<int64_t> reported_;  // images that were warned of
  int64_t left_out_ = 0;        // of them, those that did not decode
  int64_t summed_up_ = 0;       // of these, those that the end of an epoch told of
  LoaderStats stats_;
  double started_ = 0;

  std::vector<std::thread> threads_;
};

}  // namespace kestrel
