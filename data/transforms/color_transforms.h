#pragma once

#include <kestrel/data/transforms/transform.h>

namespace kestrel {

/// MMDetection's keys.
struct EnhanceOptions {
  double level = 0;
  double prob = 0.5;

  template <class V>
  void visit(V& v) {
    v("level", level, "0..10: the factor is level / 10 * 1.8 + 0.1");
    v("prob", prob, "how often it is done");
  }
};

/// A change of all pixels by a factor of the level, done with probability `prob`.
class Enhance : public Transform {
 public:
  explicit Enhance(const char* name, EnhanceOptions options);
  bool apply(Sample& sample, Philox& random) const override;

  /// Whether it is done this time.
  bool draw(Philox& random) const { return !(random.uniform() > options_.prob); }
  /// Does it.
  virtual void change(Image& image) const = 0;

 protected:
  float factor() const { return static_cast<float>(options_.level / 10 * 1.8 + 0.1); }

 private:
  EnhanceOptions options_;
};

/// Mixes the picture with its grey copy: below 1 paler, above 1 more colourful.
class ColorTransform : public Enhance {
 public:
  explicit ColorTransform(const EnhanceOptions& o) : Enhance("color_transform", o) {}
  void change(Image& image) const override;
};

/// Multiplies the picture.
class BrightnessTransform : public Enhance {
 public:
  explicit BrightnessTransform(const EnhanceOptions& o) : Enhance("brightness_transform", o) {}
  void change(Image& image) const override;
};

/// Mixes the picture with its mean grey.
class ContrastTransform : public Enhance {
 public:
  explicit ContrastTransform(const EnhanceOptions& o) : Enhance("contrast_transform", o) {}
  void change(Image& image) const override;
};

/// MMDetection's keys.
struct EqualizeOptions {
  double prob = 0.5;

  template <class V>
  void visit(V& v) {
    v("prob", prob, "how often it is done");
  }
};

/// Spreads the values of each channel evenly over 0..255.
class EqualizeTransform : public Enhance {
 public:
  explicit EqualizeTransform(const EqualizeOptions& o)
      : Enhance("equalize_transform", {.prob = o.prob}) {}
  void change(Image& image) const override;
};

}  // namespace kestrel
