#pragma once

#include <kestrel/data/transforms/transform.h>

namespace kestrel {

/// MMDetection's keys.
struct LoadAnnotationsOptions {
  bool with_bbox = true, with_label = true;
  bool with_mask = false;
  bool with_seg = false;
  bool poly2mask = true;

  template <class V>
  void visit(V& v) {
    v("with_bbox", with_bbox, "boxes; they are always there");
    v("with_label", with_label, "labels; they are always there");
    v("with_mask", with_mask, "masks of the objects; the data set has to have them");
    v("with_seg", with_seg, "the map of classes; the data set has to have seg_prefix");
    v("poly2mask", poly2mask, "polygons become pixels at once, not when somebody asks for pixels");
  }
};

/// Adds to a sample's boxes what else was asked for. Throws DataError naming the image where it is
/// not there or broken. The pipeline of a training set that has it with with_mask makes
/// build_dataset keep the segmentations.
class LoadAnnotations : public Transform {
 public:
  explicit LoadAnnotations(const LoadAnnotationsOptions& options);
  bool apply(Sample& sample, Philox& random) const override;

 private:
  InstanceMask read_mask(const Sample& sample, const Annotation& annotation) const;

  LoadAnnotationsOptions options_;
};

/// MMDetection's keys.
struct SegRescaleOptions {
  double scale_factor = 1;

  template <class V>
  void visit(V& v) {
    v("scale_factor", scale_factor, "size of the map beside the image");
  }
};

/// Makes the map of classes smaller than the image, taking the nearest pixels.
class SegRescale : public Transform {
 public:
  explicit SegRescale(const SegRescaleOptions& options);
  bool apply(Sample& sample, Philox& random) const override;

 private:
  SegRescaleOptions options_;
};

}  // namespace kestrel
