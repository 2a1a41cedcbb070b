#pragma once

#include <kestrel/data/image.h>
#include <kestrel/detection/evaluation/evaluator.h>

namespace kestrel {

/// Precision over recall at IoU 0.5, a line per annotated class and their mean in bold (1000 x
/// 720). Up to 20 classes are named with their AP, best first; of more, the lines alone are shown.
Image precision_recall_plot(const EvalReport& report);

}  // namespace kestrel
