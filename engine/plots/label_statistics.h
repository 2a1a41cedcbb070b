#pragma once

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/data/image.h>

namespace kestrel {

/// What is annotated in a data set, in four panels (1400 x 1000): objects per class (for more than
/// 60 classes the most and the least frequent), where their centres lie in the image, width over
/// height in shares of the image, and how large they are in pixels, with COCO's bounds of small and
/// medium. Objects that are not trained on (crowds, difficult ones) do not count.
Image label_statistics(const Dataset& dataset, const std::string& title);

}  // namespace kestrel
