#pragma once

#include <cstdint>

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/data/image.h>
#include <kestrel/data/transforms/pipeline.h>
#include <kestrel/registry/config.h>

namespace kestrel {

struct BrowseOptions {
  int64_t num_images = 16;
  int64_t columns = 4;
  int64_t cell_width = 400;  ///< In pixels.
  uint64_t seed = 0;         ///< Of the choice of images and of the augmentation.
};

/// Images of a data set as a network in training would get them, with their boxes and classes, as
/// one sheet; crowds and difficult objects are dashed. The pipeline must not normalise. Images that
/// do not decode are left out with a warning; throws DataError where none does.
Image browse_sheet(const Dataset& dataset, const Pipeline& pipeline, const BrowseOptions& options);

/// A config's list of transforms without Normalize.
Config without_normalize(const Config& pipeline);

}  // namespace kestrel
