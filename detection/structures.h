#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <kestrel/detection/masks/instance_mask.h>
#include <kestrel/tensor/tensor.h>

namespace kestrel {

/// What happened to an image between its file and the network; MMDetection's img_metas.
struct ImageMeta {
  std::string file;                       ///< Path of the image, for messages.
  int64_t id = 0;                         ///< Image id of the data set.
  int64_t ori_height = 0, ori_width = 0;  ///< As decoded.
  int64_t img_height = 0, img_width = 0;  ///< After resizing, before padding.
  int64_t pad_height = 0, pad_width = 0;  ///< After padding of this image alone.
  float scale_x = 1, scale_y = 1;         ///< img_width / ori_width and img_height / ori_height.
  bool flipped = false;                   ///< Mirrored left to right.
  bool turned_over = false;               ///< Mirrored top to bottom.
};

/// What is annotated in one image, in the network's input pixels, on the CPU. A member that was not
/// asked for is undefined or empty.
struct GroundTruth {
  Tensor boxes;   ///< (G, 4) float32, x1 y1 x2 y2.
  Tensor labels;  ///< (G) int64, 0..C-1.
  /// (I, 4) float32: crowds and difficult objects, neither to be found nor background.
  Tensor ignored = {};
  std::vector<InstanceMask> masks = {};  ///< G of them, of the padded image's size.
  /// (H, W) uint8: the class of every pixel of the padded image, or of a smaller copy of it; 255
  /// where nothing is said.
  Tensor semantic = {};
  Tensor proposals = {};  ///< (P, 4) float32, x1 y1 x2 y2, where another model made them.
};

/// Detected objects of one image, by descending score, on the CPU.
struct Detections {
  Tensor boxes;                     ///< (D, 4) float32, x1 y1 x2 y2.
  Tensor scores;                    ///< (D) float32.
  Tensor labels;                    ///< (D) int64.
  std::vector<RleMask> masks = {};  ///< D of them, of the image's size; or none.
};

/// Ground truths and sizes of a batch's images as tensors, on any device.
struct TargetTensors {
  Tensor boxes;    ///< (N, G, 4) float32; NaN beyond an image's objects.
  Tensor labels;   ///< (N, G) int64; -1 there.
  Tensor ignored;  ///< (N, I, 4) float32; NaN beyond an image's ignored boxes.
  Tensor sizes;    ///< (N, 4) int64: pad and img height and width.
  /// (N, H, W) uint8, 255 where nothing is said; undefined where no image has a map.
  Tensor semantic = {};
  int64_t batch_height = 0, batch_width = 0;  ///< Of the padded batch, in pixels.

  explicit operator bool() const { return boxes.defined(); }
  /// Those that are defined, in a fixed order.
  std::vector<Tensor*> tensors();
  /// Whether the other one's tensors have the shapes of these.
  bool has_shapes_of(const TargetTensors& other) const;
};

/// The same facts as tensors of a device. Their numbers of objects, and of ignored boxes, are those
/// of the image with the most, rounded up to a multiple of `step`, from step on where it is not 1.
TargetTensors pack_targets(std::span<const GroundTruth> truths, std::span<const ImageMeta> metas,
                           Device device, int64_t step = 1);

/// What a detector trains on.
struct Batch {
  Tensor images;  ///< (N, H, W, 3) float32, normalised, padded right and below with zeros.
  std::vector<ImageMeta> metas;
  std::vector<GroundTruth> truths;
  TargetTensors targets = {};  ///< Of truths and metas, where somebody packed them already.
};

/// What a head computes losses from.
struct Targets {
  TargetTensors packed;  ///< On the device of the predictions.
  /// The same on the host, with what has no packed form, such as masks. Empty where a step is
  /// recorded as a CUDA graph.
  std::span<const GroundTruth> truths = {};
  std::span<const ImageMeta> metas = {};
};

/// The targets of a batch, packed for the device of its images where they are not yet: then throws
/// DataError for a label outside [0, num_classes). The batch has to outlive them.
Targets targets_of(const Batch& batch, int64_t num_classes);

}  // namespace kestrel
