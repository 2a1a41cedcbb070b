#include <kestrel/detection/detectors/base_detector.h>

#include <kestrel/kernels/error.h>

namespace kestrel {

std::vector<Detections> BaseDetector::predict_views(std::span<const Batch>) {
  fail<UsageError>("[detector] this detector does not detect from several views of an image");
}

}  // namespace kestrel
