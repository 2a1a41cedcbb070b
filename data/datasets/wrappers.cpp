#include <algorithm>

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

std::unique_ptr<Dataset> repeat_dataset(std::shared_ptr<const Dataset> dataset, int64_t times) {
  if (times < 1) fail<UsageError>("[repeat] times must be at least 1, got ", times);
  return std::make_unique<ConcatDataset>(
      std::vector<std::shared_ptr<const Dataset>>(static_cast<size_t>(times), dataset));
}

}  // namespace kestrel
