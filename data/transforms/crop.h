#pragma once

#include <kestrel/data/transforms/sample.h>

namespace kestrel {

/// Cuts the pixels to the window at (x, y) and moves what is annotated with them, without dropping
/// any.
void crop_sample(Sample& sample, int64_t x, int64_t y, int64_t width, int64_t height);

}  // namespace kestrel
