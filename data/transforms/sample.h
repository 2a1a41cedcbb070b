#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/data/image.h>
#include <kestrel/data/transforms/instances.h>
#include <kestrel/detection/structures.h>

namespace kestrel {

/// (value - mean) * (1 / std) per channel, in float32 as mmcv's imnormalize. `swap` turns RGB into
/// BGR first; mean and std are in the order of the result.
struct Normalization {
  std::array<float, 3> mean{0, 0, 0}, std{1, 1, 1};
  bool swap = false;
};

/// A float picture, (height, width, 3).
struct FloatImage {
  int64_t height = 0, width = 0;
  std::vector<float> pixels;

  float* row(int64_t y) { return pixels.data() + y * width * 3; }
  const float* row(int64_t y) const { return pixels.data() + y * width * 3; }
};

class Sample;

/// The other pictures of a data set, for transforms that mix several.
class OtherSamples {
 public:
  virtual ~OtherSamples() = default;
  virtual int64_t size() const = 0;
  virtual bool has_objects(int64_t index) const = 0;
  /// With what comes before the mixing done to it.
  virtual Sample load(int64_t index) const = 0;
};

/// An image with what is annotated in it on its way to the network.
///
/// Mirroring, normalising and padding are only noted: collate() does them in the one pass that
/// writes the batch. A transform that needs the pixels themselves calls bytes() or floats().
class Sample {
 public:
  Sample() = default;
  explicit Sample(Image image);

  Instances instances;  ///< In the pixels of the picture as it is to become.
  /// For LoadAnnotations; the data set's.
  std::span<const Annotation> annotations;
  std::string semantic_file;  ///< A picture of classes; empty where there is none.
  ImageMeta meta;
  std::optional<std::array<int64_t, 2>> preset_scale;  ///< w, h for Resize instead of its own.
  std::optional<bool> preset_flip;                     ///< For RandomFlip instead of a draw.
  const OtherSamples* others = nullptr;                ///< Null where there are none to mix with.

  int64_t height() const { return is_float_ ? floats_.height : image_.height; }
  int64_t width() const { return is_float_ ? floats_.width : image_.width; }
  /// Whether the pixels are, or will be, floats.
  bool is_float() const { return is_float_ || normalization_.has_value(); }

  /// The 8-bit pixels, with what was noted done; throws once they are floats.
  Image& bytes();
  /// The pixels as floats, with what was noted done.
  FloatImage& floats();
  /// Replaces the pixels and meta's image and pad sizes.
  void set(Image image);
  void set(FloatImage image);

  /// Notes.
  void mirror() { mirrored_ = !mirrored_; }           ///< Left and right.
  void turn_over() { turned_over_ = !turned_over_; }  ///< Top and bottom.
  void normalize(const Normalization& normalization);
  void pad_to(int64_t height, int64_t width);
  bool padded() const { return padded_; }

  /// Writes the finished picture into the top left of (height, width, 3) floats, zeros elsewhere.
  void write(float* out, int64_t out_height, int64_t out_width) const;

 private:
  void set_sizes();
  /// The row of the stored pixels that comes at y once turned over.
  int64_t source_row(int64_t y) const { return turned_over_ ? height() - 1 - y : y; }
  void write_bytes(float* out, int64_t stride) const;

  Image image_;
  FloatImage floats_;
  bool is_float_ = false;
  bool mirrored_ = false;     // still to be done
  bool turned_over_ = false;  // still to be done
  bool padded_ = false;
  std::optional<Normalization> normalization_;  // still to be done; 8-bit pixels only
};

}  // namespace kestrel
