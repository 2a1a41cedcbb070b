#pragma once

#include <filesystem>
#include <vector>

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/detection/evaluation/coco_eval.h>
#include <kestrel/engine/hooks/hook.h>

namespace kestrel {

/// Shows what the model sees: writes val_labels.jpg before the run and val_pred.jpg after every
/// evaluation, the same images of the validation set side by side. VeryLow.
class PictureHook final : public Hook {
 public:
  /// `detections` is where the evaluation leaves what it found; read after every epoch.
  PictureHook(const Dataset& dataset, const std::vector<CocoEvalDetection>& detections,
              std::filesystem::path folder, int64_t num_images = 12);

  void before_run(Runner& runner) override;
  void after_epoch(Runner& runner) override;

 private:
  const Dataset& dataset_;
  const std::vector<CocoEvalDetection>& detections_;
  std::filesystem::path folder_;
  int64_t num_images_;
};

/// Pictures of a data set's first images with its boxes ("labels") or with detections of at least
/// min_score, as one sheet.
void write_label_sheet(const Dataset& dataset, int64_t num_images,
                       const std::filesystem::path& file);
void write_prediction_sheet(const Dataset& dataset,
                            const std::vector<CocoEvalDetection>& detections, int64_t num_images,
                            double min_score, const std::filesystem::path& file);

}  // namespace kestrel
