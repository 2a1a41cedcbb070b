#pragma once

#include <span>
#include <string>
#include <vector>

#include <kestrel/data/image.h>
#include <kestrel/data/transforms/normalize.h>
#include <kestrel/detection/structures.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// The options of Normalize in the pipeline of a data set's config (data.train and the like, also
/// below RepeatDataset and ConcatDataset); mean 0 and std 1 where there is none.
NormalizeOptions normalization_of(const Config& dataset);

/// The pictures of a batch as the network is given them, padding included: pixels (N, H, W, 3)
/// before `normalization`.
std::vector<Image> batch_images(const Tensor& images, const NormalizeOptions& normalization);

/// At most 16 images of a batch side by side, with their boxes and class names.
Image batch_sheet(const Batch& batch, const NormalizeOptions& normalization,
                  std::span<const std::string> class_names);

}  // namespace kestrel
