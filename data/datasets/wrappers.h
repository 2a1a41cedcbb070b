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

/// A data set `times` over, so that an epoch is longer.
std::unique_ptr<Dataset> repeat_dataset(std::shared_ptr<const Dataset> dataset, int64_t times);

}  // namespace kestrel
