#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <kestrel/data/datasets/class_map.h>
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
  has_class_.assign(class_names_.size(), true);
  for (size_t label = category_ids_.size(); label < class_names_.size(); ++label) {
    category_ids_.push_back(static_cast<int64_t>(label) + 1);
  }
}

void Dataset::set_classes(const ClassMap& map, const std::vector<int64_t>& ids_of_file) {
  std::vector<int64_t> there_are = ids_of_file;
  for (size_t i = there_are.size(); i < map.labels.size(); ++i) {
    there_are.push_back(static_cast<int64_t>(i) + 1);
  }
  // Ids in use may be any number; those of what the file lacks are after the largest, or before
  // the least.
  if (there_are.empty()) there_are.push_back(0);
  const auto [least, most] = std::ranges::minmax(there_are);
  const bool after = most < std::numeric_limits<int64_t>::max() - (1 << 20);
  int64_t spare = after ? std::max<int64_t>(most, 0) : std::min<int64_t>(least, 0);
  std::vector<int64_t> ids;
  for (const int64_t place : map.places) {
    ids.push_back(place >= 0 ? there_are[static_cast<size_t>(place)] : after ? ++spare : --spare);
  }
  set_classes(map.names, std::move(ids));
  for (size_t i = 0; i < map.places.size(); ++i) has_class_[i] = map.places[i] >= 0;
}

bool Dataset::add_training_image(ImageInfo info, const std::vector<Annotation>& annotations,
                                 bool filter_empty) {
  const bool small = std::min(info.width, info.height) < kMinTrainingSide;
  const bool empty = filter_empty && annotations.empty();
  left_out_.small += small;
  left_out_.empty += empty && !small;
  if (small || empty) return false;
  add_image(std::move(info), annotations);
  return true;
}

void Dataset::add_image(ImageInfo info, const std::vector<Annotation>& annotations) {
  images_.push_back(std::move(info));
  annotations_.insert(annotations_.end(), annotations.begin(), annotations.end());
  first_annotation_.push_back(annotations_.size());
}

void Dataset::add_counts(const Dataset& part) {
  num_dropped_ += part.num_dropped_;
  num_past_edge_ += part.num_past_edge_;
  left_out_.empty += part.left_out_.empty;
  left_out_.small += part.left_out_.small;
  leaves_out_empty_ = leaves_out_empty_ || part.leaves_out_empty_;
}

void Dataset::reserve(int64_t images, int64_t annotations) {
  images_.reserve(static_cast<size_t>(images));
  first_annotation_.reserve(static_cast<size_t>(images) + 1);
  annotations_.reserve(static_cast<size_t>(annotations));
}

int64_t Dataset::num_empty() const {
  int64_t count = 0;
  for (size_t i = 0; i < images_.size(); ++i)
    count += first_annotation_[i] == first_annotation_[i + 1];
  return count;
}

std::string Dataset::describe_images(const std::string& what) const {
  std::string more;
  const auto add = [&](int64_t count, const std::string& text) {
    if (count > 0) more += (more.empty() ? "" : ", ") + std::to_string(count) + text;
  };
  add(left_out_.empty, " more without an object left out");
  add(left_out_.small, " more under " + std::to_string(kMinTrainingSide) + " pixels left out");
  add(num_empty(), " of them without an object");
  return std::to_string(size()) + " " + what + (more.empty() ? "" : " (" + more + ")");
}

// A pixel is within what annotators and rounding do.
void Dataset::tell_past_edge(Complaints& complaints) {
  const Annotation* first = nullptr;
  const ImageInfo* image = nullptr;
  int64_t count = 0, ordered = 0, boxes = 0;
  for (size_t i = 0; i < images_.size(); ++i) {
    const auto w = static_cast<double>(images_[i].width),
               h = static_cast<double>(images_[i].height);
    for (size_t k = first_annotation_[i]; k < first_annotation_[i + 1]; ++k) {
      const auto& [x, y, width, height] = annotations_[k].bbox;
      ++boxes;
      ordered += width > x && height > y;
      if (x >= -1 && y >= -1 && x + width <= w + 1 && y + height <= h + 1) continue;
      if (count++ > 0) continue;
      first = &annotations_[k];
      image = &images_[i];
    }
  }
  num_past_edge_ += count;
  if (count == 0) return;
  const auto& [x, y, width, height] = first->bbox;
  complaints.note(count, " of ", boxes, " boxes reach past their images, the first is [", x, ", ",
                  y, ", ", width, ", ", height, "] (x, y, width, height) of annotation ", first->id,
                  " in the ", image->width, "x", image->height, " image ", image->file,
                  ordered == boxes && 5 * count > boxes
                      ? "; are they x1, y1, x2, y2 and not x, y, width, height?"
                      : "");
}

void Dataset::keep_part(const PartOptions& options) {
  check_part(options);
  if (options.part.empty() || images_.empty()) return;
  std::vector<double> shares;
  for (const ImageInfo& image : images_) shares.push_back(name_share(image.file));
  const double least = std::max(options.val_share, std::nextafter(std::ranges::min(shares), 1.0));
  std::vector<ImageInfo> images = std::exchange(images_, {});
  const std::vector<Annotation> annotations = std::exchange(annotations_, {});
  const std::vector<size_t> first = std::exchange(first_annotation_, {0});
  for (size_t i = 0; i < images.size(); ++i) {
    if ((shares[i] < least) != (options.part == "val")) continue;
    const auto begin = annotations.begin() + static_cast<std::ptrdiff_t>(first[i]);
    const auto end = annotations.begin() + static_cast<std::ptrdiff_t>(first[i + 1]);
    add_image(std::move(images[i]), {begin, end});
  }
}

void Dataset::finish(Complaints& complaints, const FinishOptions& options) {
  leaves_out_empty_ = options.filter_empty;
  keep_part(options.part);
  const bool any = std::ranges::any_of(annotations_, &Annotation::is_object);
  tell_past_edge(complaints);
  if (!any && !options.training && size() > 0) {
    complaints.note(complaints.subject(options.file), "none of the ", size(),
                    " images has an object of the ", num_classes(),
                    " classes: AP cannot be computed");
  }
  complaints.finish();
  set_strict(complaints.strict());
  num_dropped_ = complaints.num_dropped();
  if (size() == 0) {
    fail<DataError>("[", name_, "] ", options.file, ": no image is left of ", options.listed, ": ",
                    left_out_.empty, " without an object of the ", num_classes(), " classes, ",
                    left_out_.small, " with a side under ", kMinTrainingSide, " pixels");
  }
  if (any || !options.training) return;
  fail<DataError>("[", name_, "] ", options.file, ": none of the ", size(),
                  " images has an object to train on (of ", annotations_.size(),
                  " annotations left, all are crowds, difficult, ignored or degenerate)");
}

}  // namespace kestrel
