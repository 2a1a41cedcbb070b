#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <kestrel/data/datasets/part.h>
#include <kestrel/data/image.h>
#include <kestrel/kernels/common/box.h>
#include <kestrel/registry/config.h>

namespace kestrel {

class Complaints;
struct ClassMap;

/// Images with a smaller side are not trained on, as in MMDetection.
inline constexpr int64_t kMinTrainingSide = 32;

/// The outline of an object in COCO's three forms; one of them is filled.
struct Segmentation {
  std::vector<std::vector<double>> polygons;  ///< Each x0, y0, x1, y1, ...
  std::vector<uint32_t> counts;               ///< Run lengths, column by column, background first.
  std::string compressed;                     ///< The same as COCO's text.
  int64_t height = 0, width = 0;              ///< Of the run lengths.
};

/// One annotated object.
struct Annotation {
  int64_t id = 0;
  int64_t label = 0;             ///< 0..C-1.
  std::array<double, 4> bbox{};  ///< x, y, width, height in pixels of the image file.
  double area = 0;               ///< Of the object, where known; else of the box.
  bool crowd = false;            ///< A group of objects: not trained on, ignored in evaluation.
  bool difficult = false;        ///< VOC's mark, treated like crowd in training.
  bool trainable = true;         ///< False for boxes that carry nothing to learn.
  std::shared_ptr<const Segmentation> segmentation{};  ///< Null where absent or not asked for.

  /// Whether it is an object to train on: the others are ignored or left out.
  bool is_object() const { return trainable && !crowd && !difficult; }
  Box box() const {
    return {static_cast<float>(bbox[0]), static_cast<float>(bbox[1]),
            static_cast<float>(bbox[0] + bbox[2]), static_cast<float>(bbox[1] + bbox[3])};
  }
};

/// One image of a data set, as its annotations describe it.
struct ImageInfo {
  int64_t id = 0;
  std::string file{};  ///< Path that can be opened; for generated images a name for messages.
  int64_t width = 0, height = 0;
  std::string semantic_file{};  ///< A picture of the classes of its pixels; empty: none.
  std::string id_text{};  ///< The id as the annotations have it, where that is text; else empty.
};

/// Boxes to train on, in pixels of the image file.
struct TrainingTarget {
  std::vector<Box> boxes;
  std::vector<int64_t> labels;
  std::vector<Box> ignored;  ///< Crowds and difficult objects.
};

/// Images with annotated objects. All of the annotations are in memory, the images are not.
/// Safe to read from several threads.
class Dataset {
 public:
  static constexpr const char* kKind = "data set";

  virtual ~Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

  int64_t size() const { return static_cast<int64_t>(images_.size()); }
  /// By label.
  const std::vector<std::string>& class_names() const { return class_names_; }
  int64_t num_classes() const { return static_cast<int64_t>(class_names_.size()); }
  /// The data set's own id of a label (COCO's category_id). A class that was asked for and that the
  /// annotations lack has one that is none of theirs.
  int64_t category_id(int64_t label) const { return category_ids_[static_cast<size_t>(label)]; }
  /// Whether the annotations know the class of a label.
  bool has_class(int64_t label) const { return has_class_[static_cast<size_t>(label)]; }
  const ImageInfo& info(int64_t index) const;
  std::span<const Annotation> annotations(int64_t index) const;
  TrainingTarget training_target(int64_t index) const;
  /// MMDetection's flag for GroupSampler: 1 where width / height > 1, else 0.
  int64_t group(int64_t index) const;

  /// Who evaluates detections in these images where nobody says otherwise: the node of an
  /// Evaluator, {type: CocoEvaluator} with its options.
  virtual Config evaluator() const;

  /// The pixels. Throws DataError naming the file.
  virtual Image load(int64_t index) const;

  /// For messages: "coco", "voc", "yolo", "shapes".
  const std::string& name() const { return name_; }
  /// Whether an image that does not load stops what reads it, instead of being left out.
  bool strict() const { return strict_; }
  /// Annotations and images that were wrong and are not in the set.
  int64_t num_dropped() const { return num_dropped_; }
  /// Images that are right and not trained on.
  struct LeftOut {
    int64_t empty = 0;  ///< Without an object (`filter_empty_gt`).
    int64_t small = 0;  ///< With a side under kMinTrainingSide pixels.
  };
  const LeftOut& left_out() const { return left_out_; }
  /// Whether training leaves out images without an object; else they are background.
  bool leaves_out_empty() const { return leaves_out_empty_; }
  int64_t num_empty() const;
  /// Boxes that reach more than a pixel past their image.
  int64_t num_past_edge() const { return num_past_edge_; }
  /// The size and the numbers of what is left out, in words: "95 training images (5 more, without
  /// an object, are left out)".
  std::string describe_images(const std::string& what) const;

 protected:
  explicit Dataset(std::string name) : name_(std::move(name)) {}
  /// Sets the classes; ids empty: label + 1.
  void set_classes(std::vector<std::string> names, std::vector<int64_t> ids = {});
  /// The same for a file with classes of these ids, in its order; empty: 1, 2, ...
  void set_classes(const ClassMap& map, const std::vector<int64_t>& ids_of_file = {});
  /// MMDetection's rules for training, which leave images out: true where it was added.
  bool add_training_image(ImageInfo info, const std::vector<Annotation>& annotations,
                          bool filter_empty);
  void add_image(ImageInfo info, const std::vector<Annotation>& annotations);
  void reserve(int64_t images, int64_t annotations);
  void set_strict(bool strict) { strict_ = strict; }
  struct FinishOptions {
    std::string file;           ///< That messages name.
    bool training = true;       ///< Else a set without objects is told of.
    int64_t listed = 0;         ///< Images that the file names.
    bool filter_empty = false;  ///< The option of this data set.
    PartOptions part{};         ///< The pictures that are kept.
  };
  /// To be called when all is added: counts what was dropped, tells of boxes that reach past their
  /// images, and says how much more was wrong than was told. Throws DataError where no image, or in
  /// training no object, is left.
  void finish(Complaints& complaints, const FinishOptions& options);
  void add_past_edge(int64_t count) { num_past_edge_ += count; }
  /// Adds the counts of what is wrong and left out in a part of this set.
  void add_counts(const Dataset& part);

 private:
  void tell_past_edge(Complaints& complaints);
  /// Keeps the pictures of a part. Where no name's hash is in the share of val, that with the least
  /// is val.
  void keep_part(const PartOptions& options);

  std::string name_;
  std::vector<std::string> class_names_;
  std::vector<int64_t> category_ids_;
  std::vector<bool> has_class_;
  std::vector<ImageInfo> images_;
  std::vector<Annotation> annotations_;
  std::vector<size_t> first_annotation_{0};
  bool strict_ = false;
  int64_t num_dropped_ = 0;
  LeftOut left_out_;
  bool leaves_out_empty_ = false;
  int64_t num_past_edge_ = 0;
};

}  // namespace kestrel
