#include <algorithm>
#include <array>

#include <kestrel/data/loader.h>
#include <kestrel/data/transforms/pipeline.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

// What MMDetection's lists contain besides transforms, with the keys that these may have.
struct LoadingOptions {
  bool to_float32 = false;
  std::string color_type = "color";
  bool with_bbox = true, with_label = true, with_mask = false, with_seg = false, poly2mask = true;
  std::vector<std::string> keys, meta_keys;

  template <class V>
  void visit(V& v) {
    v("to_float32", to_float32, "without effect: Kestrel decides");
    v("color_type", color_type, "color is what there is");
    v("with_bbox", with_bbox, "boxes are always there");
    v("with_label", with_label, "labels are always there");
    v("with_mask", with_mask, "masks: where the data set keeps them");
    v("with_seg", with_seg, "a semantic map: not there yet");
    v("poly2mask", poly2mask, "without effect");
    v("keys", keys, "without effect: a batch has what training needs");
    v("meta_keys", meta_keys, "without effect");
  }
};

class Loading : public Transform {
 public:
  explicit Loading(const LoadingOptions&) {}
  bool apply(Sample&, Philox&) const override { return true; }
};

const Registration<Transform, Loading, LoadingOptions> kLoadImage{
    "LoadImageFromFile", "reads the image; the data set does it"};
const Registration<Transform, Loading, LoadingOptions> kFormat{"DefaultFormatBundle",
                                                               "makes tensors; the loader does it"};
const Registration<Transform, Loading, LoadingOptions> kToTensor{
    "ImageToTensor", "makes a tensor; the loader does it"};
const Registration<Transform, Loading, LoadingOptions> kCollect{
    "Collect", "chooses what a batch has; the loader does it"};

struct MultiScaleFlipAugOptions {
  std::array<int64_t, 2> img_scale{1333, 800};
  bool flip = false;
  Config transforms = Config::list();

  template <class V>
  void visit(V& v) {
    v("img_scale", img_scale, "width, height of the one scale");
    v("flip", flip, "must be false: one view is tested");
    v("transforms", transforms, "what is done to the image");
  }
};

// MMDetection's wrapper of test pipelines, for one scale: fixes what Resize and RandomFlip do.
class MultiScaleFlipAug : public Transform {
 public:
  explicit MultiScaleFlipAug(const MultiScaleFlipAugOptions& options)
      : scale_(options.img_scale), flip_(options.flip), transforms_(options.transforms) {
    if (flip_) fail<UsageError>("[multi_scale_flip_aug] flip: true is not supported");
  }
  bool apply(Sample& sample, Philox& random) const override {
    sample.preset_scale = scale_;
    sample.preset_flip = flip_;
    return transforms_.apply(sample, random);
  }

 private:
  std::array<int64_t, 2> scale_;
  bool flip_;
  Pipeline transforms_;
};

const Registration<Transform, MultiScaleFlipAug, MultiScaleFlipAugOptions> kMultiScaleFlipAug{
    "MultiScaleFlipAug", "transforms of a test image"};

}  // namespace

Pipeline::Pipeline(const Config& list) {
  for (const Config& node : list.items()) transforms_.push_back(build<Transform>(node));
}

bool DatasetSamples::has_objects(int64_t index) const {
  return std::ranges::any_of(dataset_.annotations(index), &Annotation::is_object);
}

Sample DatasetSamples::load(int64_t index) const {
  Sample sample = load_sample(dataset_, index);
  Philox random(0, 0, static_cast<uint64_t>(index));
  if (pipeline_.before()) pipeline_.before()->apply(sample, random);
  return sample;
}

bool Pipeline::apply(Sample& sample, Philox& random) const {
  if (before_ && !before_->apply(sample, random)) return false;
  return std::ranges::all_of(
      transforms_, [&](const auto& transform) { return transform->apply(sample, random); });
}

}  // namespace kestrel
