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

 private:
  std::vector<std::shared_ptr<const Transform>> transforms_;
};

}  // namespace kestrel
