#pragma once

#include <string_view>

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/detection/masks/instance_mask.h>

namespace kestrel {

/// The mask of an object in an image of this id and size, as it was read. Throws DataError, `who`
/// said it, where there is none, or a broken one.
InstanceMask mask_of(std::string_view who, const Annotation& annotation, int64_t image_id,
                     ImageSize size);

}  // namespace kestrel
