#include <algorithm>
#include <cmath>
#include <set>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/wrappers.h>

namespace kestrel {

ConcatDataset::ConcatDataset(std::vector<std::shared_ptr<const Dataset>> parts)
    : Dataset(parts.empty() ? "concat" : parts[0]->name()), parts_(std::move(parts)) {
  if (parts_.empty()) fail<UsageError>("[concat] needs at least one data set");
  std::vector<int64_t> ids;
  for (int64_t c = 0; c < parts_[0]->num_classes(); ++c) ids.push_back(parts_[0]->category_id(c));
  set_classes(parts_[0]->class_names(), std::move(ids));
  for (const auto& part : parts_) {
    const std::vector<int64_t> labels = labels_of(*part);
    first_.push_back(size());
    for (int64_t i = 0; i < part->size(); ++i) {
      const auto from = part->annotations(i);
      std::vector<Annotation> annotations(from.begin(), from.end());
      for (Annotation& a : annotations) a.label = labels[static_cast<size_t>(a.label)];
      add_image(part->info(i), annotations);
    }
    add_counts(*part);
    if (part->strict()) set_strict(true);
  }
}

// The labels of a part's classes here: the same names, in any order.
std::vector<int64_t> ConcatDataset::labels_of(const Dataset& part) const {
  std::vector<int64_t> labels;
  for (const std::string& name : part.class_names()) {
    const auto at = std::ranges::find(class_names(), name);
    if (at == class_names().end() || part.num_classes() != num_classes()) {
      fail<UsageError>("[concat] the data sets have different classes: ",
                       quoted_list(class_names()), " and ", quoted_list(part.class_names()));
    }
    labels.push_back(at - class_names().begin());
  }
  return labels;
}

Image ConcatDataset::load(int64_t index) const {
  info(index);  // checks the index
  const auto after = std::ranges::upper_bound(first_, index);
  const auto part = after - first_.begin() - 1;
  return parts_[static_cast<size_t>(part)]->load(index - first_[static_cast<size_t>(part)]);
}

ResampledDataset::ResampledDataset(std::shared_ptr<const Dataset> dataset,
                                   std::vector<int64_t> indices)
    : Dataset(dataset->name()), dataset_(std::move(dataset)), indices_(std::move(indices)) {
  std::vector<int64_t> ids;
  for (int64_t c = 0; c < dataset_->num_classes(); ++c) ids.push_back(dataset_->category_id(c));
  set_classes(dataset_->class_names(), std::move(ids));
  for (const int64_t index : indices_) {
    const auto from = dataset_->annotations(index);
    add_image(dataset_->info(index), {from.begin(), from.end()});
  }
  add_counts(*dataset_);
  if (dataset_->strict()) set_strict(true);
}

Image ResampledDataset::load(int64_t index) const {
  info(index);  // checks the index
  return dataset_->load(indices_[static_cast<size_t>(index)]);
}

std::unique_ptr<Dataset> repeat_dataset(std::shared_ptr<const Dataset> dataset, int64_t times) {
  if (times < 1) fail<UsageError>("[repeat] times must be at least 1, got ", times);
  std::vector<int64_t> indices;
  for (int64_t t = 0; t < times; ++t) {
    for (int64_t i = 0; i < dataset->size(); ++i) indices.push_back(i);
  }
  return std::make_unique<ResampledDataset>(std::move(dataset), std::move(indices));
}

std::unique_ptr<Dataset> class_balanced_dataset(std::shared_ptr<const Dataset> dataset,
                                                double oversample_thr, bool filter_empty_gt) {
  if (!(oversample_thr >= 0 && std::isfinite(oversample_thr))) {
    fail<UsageError>("[class_balanced] oversample_thr must not be negative, got ", oversample_thr);
  }
  std::vector<std::set<int64_t>> labels;
  // Pictures without an annotation are a class of their own, where they are not filtered.
  std::vector<double> share(static_cast<size_t>(dataset->num_classes()) + 1);
  for (int64_t i = 0; i < dataset->size(); ++i) {
    std::set<int64_t>& own = labels.emplace_back();
    for (const Annotation& annotation : dataset->annotations(i)) own.insert(annotation.label);
    if (own.empty() && !filter_empty_gt) own.insert(dataset->num_classes());
    for (const int64_t label : own) share[static_cast<size_t>(label)] += 1;
  }
  for (double& value : share) value /= static_cast<double>(dataset->size());
  const double threshold = oversample_thr > 0 ? oversample_thr : std::ranges::max(share);
  std::vector<int64_t> indices;
  for (size_t i = 0; i < labels.size(); ++i) {
    double factor = 1;
    for (const int64_t label : labels[i]) {
      factor = std::max(factor, std::sqrt(threshold / share[static_cast<size_t>(label)]));
    }
    indices.insert(indices.end(), static_cast<size_t>(std::ceil(factor)), static_cast<int64_t>(i));
  }
  return std::make_unique<ResampledDataset>(std::move(dataset), std::move(indices));
}

}  // namespace kestrel
