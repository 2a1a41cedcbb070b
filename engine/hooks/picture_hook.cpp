#include <kestrel/engine/hooks/picture_hook.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include <kestrel/data/image.h>
#include <kestrel/engine/pictures.h>
#include <kestrel/engine/runner.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

constexpr int64_t kColumns = 4;
constexpr int64_t kCellWidth = 400;
constexpr double kMinScore = 0.3;

/// Every so many images one is shown, so that the sheet spans the set.
void write_sheet(const Dataset& dataset, int64_t num_images, const std::filesystem::path& file,
                 const std::function<std::vector<DrawnBox>(int64_t index)>& boxes) {
  num_images = std::min(num_images, dataset.size());
  std::vector<Image> pictures;
  std::vector<std::string> titles;
  double tallest = 0.5;
  for (int64_t i = 0; i < num_images; ++i) {
    const int64_t index = i * dataset.size() / num_images;
    Image image;
    try {
      image = dataset.load(index);
    } catch (const DataError&) {
      continue;  // the loader has told of it
    }
    tallest =
        std::max(tallest, static_cast<double>(image.height) / static_cast<double>(image.width));
    pictures.push_back(draw_boxes(image, boxes(index)));
    titles.push_back(std::filesystem::path(dataset.info(index).file).filename().string());
  }
  const auto cell_height =
      static_cast<int64_t>(std::min(tallest, 1.5) * static_cast<double>(kCellWidth));
  write_image(file, contact_sheet(pictures, titles, kColumns, kCellWidth, cell_height));
}

}  // namespace

void write_label_sheet(const Dataset& dataset, int64_t num_images,
                       const std::filesystem::path& file) {
  write_sheet(dataset, num_images, file, [&](int64_t index) {
    std::vector<DrawnBox> boxes;
    for (const Annotation& a : dataset.annotations(index)) {
      boxes.push_back({.box = a.box(),
                       .label = a.label,
                       .caption = dataset.class_names()[static_cast<size_t>(a.label)],
                       .dashed = a.crowd || a.difficult});
    }
    return boxes;
  });
}

void write_prediction_sheet(const Dataset& dataset,
                            const std::vector<CocoEvalDetection>& detections, int64_t num_images,
                            double min_score, const std::filesystem::path& file) {
  write_sheet(dataset, num_images, file, [&](int64_t index) {
    std::vector<DrawnBox> boxes;
    for (const CocoEvalDetection& d : detections) {
      if (d.image_id != dataset.info(index).id || d.score < min_score) continue;
      int64_t label = 0;
      while (dataset.category_id(label) != d.category_id) ++label;
      const auto name = dataset.class_names()[static_cast<size_t>(label)];
      boxes.push_back({.box = {static_cast<float>(d.bbox[0]), static_cast<float>(d.bbox[1]),
                               static_cast<float>(d.bbox[0] + d.bbox[2]),
                               static_cast<float>(d.bbox[1] + d.bbox[3])},
                       .label = label,
                       .caption = fmt::format("{} {:.2f}", name, d.score)});
    }
    return boxes;
  });
}

PictureHook::PictureHook(const Dataset& dataset, const std::vector<CocoEvalDetection>& detections,
                         std::filesystem::path folder, int64_t num_images)
    : dataset_(dataset),
      detections_(detections),
      folder_(std::move(folder)),
      num_images_(num_images) {}

void PictureHook::before_run(Runner&) {
  write_label_sheet(dataset_, num_images_, folder_ / "val_labels.jpg");
}

void PictureHook::after_epoch(Runner& runner) {
  if (runner.metrics.empty()) return;  // not evaluated in this epoch
  write_prediction_sheet(dataset_, detections_, num_images_, kMinScore, folder_ / "val_pred.jpg");
}

}  // namespace kestrel
