#pragma once

#include <memory>
#include <vector>

#include <kestrel/data/transforms/transform.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// Transforms in a row.
class Pipeline {
 public:
  Pipeline() = default;
  /// Builds the transforms of a config's list, each by its `type`. Reading the file and handing
  /// over tensors are no transforms here, so that LoadImageFromFile, LoadAnnotations,
  /// DefaultFormatBundle, ImageToTensor and Collect are accepted and do nothing.
  explicit Pipeline(const Config& list);

  /// Pipeline().add<Resize>({...}).add<RandomFlip>({...})
  template <class T, class Options>
  Pipeline&& add(const Options& options) && {
    transforms_.push_back(std::make_shared<const T>(options));
    return std::move(*this);
  }
  template <class T, class Options>
  Pipeline& add(const Options& options) & {
    transforms_.push_back(std::make_shared<const T>(options));
    return *this;
  }

  /// False where a transform left nothing of use.
  bool apply(Sample& sample, Philox& random) const;

  /// For transforms that mix images: what is done to each of them first.
  void set_before(std::shared_ptr<const Pipeline> before) { before_ = std::move(before); }
  const Pipeline* before() const { return before_.get(); }

 private:
  std::shared_ptr<const Pipeline> before_;
  std::vector<std::shared_ptr<const Transform>> transforms_;
};

/// A data set's images for transforms that mix several, each after the pipeline's before().
class DatasetSamples final : public OtherSamples {
 public:
  /// Both have to outlive it.
  DatasetSamples(const Dataset& dataset, const Pipeline& pipeline)
      : dataset_(dataset), pipeline_(pipeline) {}

  int64_t size() const override { return dataset_.size(); }
  bool has_objects(int64_t index) const override;
  /// Random transforms of before() draw anew in each epoch for the image that mixes, and for the
  /// others from their index alone.
  Sample load(int64_t index) const override;

 private:
  const Dataset& dataset_;
  const Pipeline& pipeline_;
};

}  // namespace kestrel
