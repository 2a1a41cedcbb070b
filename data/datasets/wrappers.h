#pragma once

#include <memory>
#include <vector>

#include <kestrel/data/datasets/dataset.h>

namespace kestrel {

/// Several data sets of the same classes, in any order, one after the other.
class ConcatDataset : public Dataset {
 public:
  explicit ConcatDataset(std::vector<std::shared_ptr<const Dataset>> parts);
  Image load(int64_t index) const override;
  Config evaluator() const override { return parts_.front()->evaluator(); }

 private:
  std::vector<int64_t> labels_of(const Dataset& part) const;

  std::vector<std::shared_ptr<const Dataset>> parts_;
  std::vector<int64_t> first_;  // index of each part's first image
};

/// Some pictures of a data set, in this order; one may come several times.
class ResampledDataset : public Dataset {
 public:
  ResampledDataset(std::shared_ptr<const Dataset> dataset, std::vector<int64_t> indices);
  Image load(int64_t index) const override;
  Config evaluator() const override { return dataset_->evaluator(); }

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::vector<int64_t> indices_;
};

/// A data set `times` over, so that an epoch is longer.
std::unique_ptr<Dataset> repeat_dataset(std::shared_ptr<const Dataset> dataset, int64_t times);

/// MMDetection's ClassBalancedDataset (Gupta et al. 2019): a picture comes ceil(r) times in a row,
/// where r is the greatest of sqrt(oversample_thr / f) over its classes, and 1 at least; f is the
/// share of pictures with the class. oversample_thr 0: the share of the commonest class. Pictures
/// without an annotation come once where filter_empty_gt is set; else they are a class of their
/// own.
std::unique_ptr<Dataset> class_balanced_dataset(std::shared_ptr<const Dataset> dataset,
                                                double oversample_thr, bool filter_empty_gt);

}  // namespace kestrel
