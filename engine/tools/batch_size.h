#pragma once

#include <cstddef>
#include <cstdint>

#include <kestrel/engine/train.h>
#include <kestrel/registry/config.h>
#include <kestrel/tensor/device.h>

namespace kestrel {

/// Bytes that tensors on a device may have together: what they have now, and on the CPU nine tenths
/// of available_host_memory(), on a GPU what it has left.
size_t usable_memory(Device device);

/// The largest number of images per step that fits in usable_memory(): from the peaks of steps with
/// one and two images, and tried. Throws OutOfMemoryError if not even one fits.
int64_t largest_batch(const Config& config, const TrainOptions& options);

}  // namespace kestrel
