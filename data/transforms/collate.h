#pragma once

#include <span>

#include <kestrel/data/transforms/sample.h>
#include <kestrel/detection/structures.h>

namespace kestrel {

/// Samples to a batch: images (N, H, W, 3) float32 of the largest padded height and width, zeros
/// right and below; what is annotated as GroundTruth has it, with no boxes (0, 4) and (0).
Batch collate(std::span<const Sample> samples);

}  // namespace kestrel
