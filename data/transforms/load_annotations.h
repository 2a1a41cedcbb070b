#pragma once

#include <kestrel/data/transforms/transform.h>

namespace kestrel {

/// MMDetection's keys.
struct LoadAnnotationsOptions {
  bool with_bbox = true, with_label = true;  ///< Boxes and labels are always there.
  bool with_mask = false;  ///< Masks of the objects; the data set has to have them.
  bool with_seg = false;   ///< The map of classes; the data set has to have seg_prefix.
  bool poly2mask = true;   ///< Polygons become pixels at once, not when somebody asks for pixels.

  template <class V>
  void visit(V& v) {
    v("with_bbox", with_bbox);
    v("with_label", with_label);
    v("with_mask", with_mask);
    v("with_seg", with_seg);
    v("poly2mask", poly2mask);
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
    v("scale_factor", scale_factor);
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
