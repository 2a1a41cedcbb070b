#include <kestrel/data/datasets/annotation_mask.h>

#include <kestrel/kernels/error.h>

namespace kestrel {

InstanceMask mask_of(std::string_view who, const Annotation& annotation, int64_t image_id,
                     ImageSize size) {
  const auto fail_with = [&](const auto&... why) {
    fail<DataError>("[", who, "] annotation ", annotation.id, " of image ", image_id, why...);
  };
  if (!annotation.segmentation) fail_with(" has no segmentation");
  const Segmentation& s = *annotation.segmentation;
  if (!s.polygons.empty()) return {s.polygons, size.height, size.width};
  try {
    return InstanceMask(s.compressed.empty() ? RleMask{s.height, s.width, s.counts}
                                             : mask_from_string(s.compressed, s.height, s.width));
  } catch (const DataError& error) {
    fail_with(": ", error.what());
    throw;
  }
}

}  // namespace kestrel
