#include <algorithm>
#include <utility>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/dataset.h>
#include <kestrel/kernels/error.h>

namespace kestrel {

const ImageInfo& Dataset::info(int64_t index) const {
  KESTREL_CHECK(index >= 0 && index < size(), "[", name_, "] image ", index, " of ", size());
  return images_[static_cast<size_t>(index)];
}

std::span<const Annotation> Dataset::annotations(int64_t index) const {
  KESTREL_CHECK(index >= 0 && index < size(), "[", name_, "] image ", index, " of ", size());
  const auto i = static_cast<size_t>(index);
  return std::span(annotations_)
      .subspan(first_annotation_[i], first_annotation_[i + 1] - first_annotation_[i]);
}

TrainingTarget Dataset::training_target(int64_t index) const {
  TrainingTarget target;
  for (const Annotation& a : annotations(index)) {
    if (a.is_object()) {
      target.boxes.push_back(a.box());
      target.labels.push_back(a.label);
    } else if (a.trainable) {
      target.ignored.push_back(a.box());
    }
  }
  return target;
}

int64_t Dataset::group(int64_t index) const {
  return info(index).width > info(index).height ? 1 : 0;
}

Config Dataset::evaluator() const {
  Config node = Config::map();
  node.set("type", "CocoEvaluator");
  return node;
}

Image Dataset::load(int64_t index) const {
  return read_image(info(index).file);
}

void Dataset::set_classes(std::vector<std::string> names, std::vector<int64_t> ids) {
  class_names_ = std::move(names);
  category_ids_ = std::move(ids);
  for (size_t label = category_ids_.size(); label < class_names_.size(); ++label) {
    category_ids_.push_back(static_cast<int64_t>(label) + 1);
  }
}

void Dataset::add_image(ImageInfo info, const std::vector<Annotation>& annotations) {
  images_.push_back(std::move(info));
  annotations_.insert(annotations_.end(), annotations.begin(), annotations.end());
  first_annotation_.push_back(annotations_.size());
}

void Dataset::reserve(int64_t images, int64_t annotations) {
  images_.reserve(static_cast<size_t>(images));
  first_annotation_.reserve(static_cast<size_t>(images) + 1);
  annotations_.reserve(static_cast<size_t>(annotations));
}

void Dataset::finish(const Complaints& complaints, const std::string& file, bool training) {
  complaints.finish();
  set_strict(complaints.strict());
  num_dropped_ = complaints.num_dropped();
  if (!training || size() == 0 || std::ranges::any_of(annotations_, &Annotation::is_object)) return;
  fail<DataError>("[", name_, "] ", file, ": none of the ", size(),
                  " images has an object to train on (of ", annotations_.size(),
                  " annotations left, all are crowds, difficult, ignored or degenerate)");
}

}  // namespace kestrel
