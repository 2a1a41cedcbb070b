#pragma once

#include <kestrel/data/image.h>
#include <kestrel/detection/evaluation/confusion_matrix.h>

namespace kestrel {

/// Each column as shares of its sum: of the objects of a class, what they were taken for. Shares
/// are written into the cells where there is room; a column without objects stays empty.
Image confusion_plot(const ConfusionMatrix& matrix);

}  // namespace kestrel
