#include <kestrel/detection/heads/dense_head.h>

namespace kestrel {

Losses DenseHead::loss(const HeadOutputs& outputs, const std::vector<GroundTruth>& truths,
                       const std::vector<ImageMeta>& metas) {
  for (size_t image = 0; image < truths.size() && image < metas.size(); ++image) {
    int64_t object = 0;
    for (const int64_t label : truths[image].labels.values<int64_t>()) {
      if (label < 0 || label >= num_classes()) {
        fail<DataError>("[dense_head] ", metas[image].file, ": label ", label, " of object ",
                        object, " is not in [0, ", num_classes(), ")");
      }
      ++object;
    }
  }
  return loss(outputs, pack_targets(truths, metas, outputs.cls_scores.front().device()));
}

}  // namespace kestrel
