#pragma once

#include <string>
#include <string_view>

namespace kestrel {

/// Kestrel's (MMDetection 2's) name for a parameter of torchvision's RetinaNet or of an older
/// MMDetection: "bbox_head.cls_convs.0.conv.weight" for
/// "head.classification_head.conv.0.0.weight"; other names unchanged. docs/weights.md has the
/// table.
std::string kestrel_name(std::string_view name);

/// The inverse, with the names of torchvision from 0.14 on; names that torchvision has nothing for
/// unchanged. In a pyramid from C2, as of Faster R-CNN, neck.fpn_convs.3 is the level of C5; in
/// RetinaNet's, from C3, it is P6.
std::string torchvision_name(std::string_view name, bool pyramid_from_c2 = false);

}  // namespace kestrel
