#include <kestrel/engine/hooks/val_batch_hook.h>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include <kestrel/data/image.h>
#include <kestrel/engine/runner.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

const HookRegistration<ValBatchHook, ValBatchOptions> kValBatch{
    "ValBatchHook", "draws validation images with objects and detections"};

constexpr int64_t kColumns = 4;
constexpr int64_t kPredictionWidth = 400;

}  // namespace

ValBatchHook::ValBatchHook(const ValBatchOptions& options, const HookContext& context)
    : PlotHook(context.budget),
      options_(options),
      folder_(context.folder),
      dataset_(context.val),
      evaluation_(context.evaluation) {
  if (options.num_batches < 0 || options.batch_size < 1) {
    fail<UsageError>(
        "[ValBatchHook] num_batches must be at least 0 and batch_size at least 1, got ",
        options.num_batches, " and ", options.batch_size);
  }
  const int64_t size = dataset_->size();
  const int64_t count = std::min(size, options.num_batches * options.batch_size);
  for (int64_t i = 0; i < count; ++i) shown_.push_back(i * size / count);
}

void ValBatchHook::before_run(Runner&) {
  write_sheets("labels", [&](int64_t index) {
    std::vector<DrawnBox> boxes;
    for (const Annotation& a : dataset_->annotations(index)) {
      boxes.push_back({.box = a.box(),
                       .label = a.label,
                       .caption = dataset_->class_names()[static_cast<size_t>(a.label)],
                       .dashed = a.crowd || a.difficult});
    }
    return boxes;
  });
}

void ValBatchHook::draw(const Runner&) {
  std::unordered_map<int64_t, std::vector<DrawnBox>> boxes_of;  // by image id
  for (const auto& [image_id, found] : evaluation_->detections) {
    const auto scores = found.scores.values<float>();
    const auto boxes = found.boxes.values<float>();
    for (size_t i = 0; i < scores.size(); ++i) {
      if (static_cast<double>(scores[i]) < options_.min_score) continue;
      const int64_t label = found.labels.data<int64_t>()[i];
      const float* b = boxes.data() + 4 * i;
      boxes_of[image_id].push_back(
          {.box = {b[0], b[1], b[2], b[3]},
           .label = label,
           .caption = fmt::format("{} {:.2f}", dataset_->class_names()[static_cast<size_t>(label)],
                                  scores[i])});
    }
  }
  write_sheets("pred", [&](int64_t index) { return boxes_of[dataset_->info(index).id]; });
}

void ValBatchHook::write_sheets(const char* kind, const BoxesOf& boxes_of) const {
  const auto size = static_cast<size_t>(options_.batch_size);
  for (size_t begin = 0; begin < shown_.size(); begin += size) {
    std::vector<Image> pictures;
    std::vector<std::string> titles;
    double tallest = 0.5;
    for (size_t i = begin; i < std::min(begin + size, shown_.size()); ++i) {
      Image image;
      try {
        image = dataset_->load(shown_[i]);
      } catch (const DataError&) {
        continue;  // the loader tells of it
      }
      tallest =
          std::max(tallest, static_cast<double>(image.height) / static_cast<double>(image.width));
      pictures.push_back(draw_boxes(image, boxes_of(shown_[i])));
      titles.push_back(std::filesystem::path(dataset_->info(shown_[i]).file).filename().string());
    }
    const auto cell_height =
        static_cast<int64_t>(std::min(tallest, 1.5) * static_cast<double>(kPredictionWidth));
    write_image(folder_ / fmt::format("val_batch{}_{}.jpg", begin / size, kind),
                contact_sheet(pictures, titles, kColumns, kPredictionWidth, cell_height));
  }
}

}  // namespace kestrel
