#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
};

/// Annotated objects of one image, in the network's input pixels.
struct GroundTruth {
  Tensor boxes;   ///< (G, 4) float32, x1 y1 x2 y2.
  Tensor labels;  ///< (G) int64, 0..C-1.
};

/// Detected objects of one image, by descending score.
struct Detections {
  Tensor boxes;   ///< (D, 4) float32, x1 y1 x2 y2.
  Tensor scores;  ///< (D) float32.
  Tensor labels;  ///< (D) int64.
};

/// Ground truths and sizes of a batch's images as tensors, on any device.
struct TargetTensors {
  Tensor boxes;                               ///< (N, G, 4) float32; NaN beyond an image's objects.
  Tensor labels;                              ///< (N, G) int64; -1 there.
  Tensor sizes;                               ///< (N, 4) int64: pad and img height and width.
  int64_t batch_height = 0, batch_width = 0;  ///< Of the padded batch, in pixels.

  explicit operator bool() const { return boxes.defined(); }
};

/// The same facts as tensors of a device, for at least `min_objects` objects an image.
TargetTensors pack_targets(const std::vector<GroundTruth>& truths,
                           const std::vector<ImageMeta>& metas, Device device,
                           int64_t min_objects = 0);

/// What a detector trains on.
struct Batch {
  Tensor images;  ///< (N, H, W, 3) float32, normalised, padded right and below with zeros.
  std::vector<ImageMeta> metas;
  std::vector<GroundTruth> truths;
  TargetTensors targets = {};  ///< Of truths and metas, where somebody packed them already.
};

}  // namespace kestrel
