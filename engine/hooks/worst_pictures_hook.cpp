#include <kestrel/engine/hooks/worst_pictures_hook.h>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include <kestrel/data/image.h>
#include <kestrel/engine/diagnosis/picture_errors.h>
#include <kestrel/engine/records/pictures.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

const HookRegistration<WorstPicturesHook, WorstPicturesOptions> kWorstPictures{
    "WorstPicturesHook", "draws the validation pictures with most errors"};

constexpr int64_t kWorstColumns = 3;
constexpr int64_t kWorstWidth = 520;

/// Errors with captions; what is right without.
std::vector<DrawnBox> drawn_errors(const PictureErrors& errors, const Dataset& dataset,
                                   const Detections& found) {
  std::vector<DrawnBox> boxes;
  const auto& names = dataset.class_names();
  const auto detection = [&](size_t i, bool wrong) {
    const float* b = found.boxes.data<float>() + 4 * i;
    const int64_t label = found.labels.data<int64_t>()[i];
    boxes.push_back(
        {.box = {b[0], b[1], b[2], b[3]},
         .label = label,
         .caption = wrong ? fmt::format("wrong: {} {:.2f}", names[static_cast<size_t>(label)],
                                        found.scores.data<float>()[i])
                          : ""});
  };
  for (const size_t i : errors.wrong) detection(i, true);
  for (const size_t i : errors.missed) {
    const Annotation& object = dataset.annotations(errors.index)[i];
    boxes.push_back({.box = object.box(),
                     .label = object.label,
                     .caption = "missed: " + names[static_cast<size_t>(object.label)],
                     .dashed = true});
  }
  for (const size_t i : errors.right) detection(i, false);
  return boxes;
}

}  // namespace

WorstPicturesHook::WorstPicturesHook(const WorstPicturesOptions& options,
                                     const HookContext& context)
    : PlotHook(context.budget),
      options_(options),
      file_(context.folder / "worst_pictures.jpg"),
      dataset_(context.val),
      evaluation_(context.evaluation) {
  if (options.count < 1) {
    fail<UsageError>("[WorstPicturesHook] count must be at least 1, got ", options.count);
  }
}

void WorstPicturesHook::draw(const Runner&) {
  std::unordered_map<int64_t, const Detections*> found;
  for (const ImageDetections& image : evaluation_->detections) found[image.image_id] = &image.found;
  std::vector<Image> pictures;
  std::vector<std::string> titles;
  double tallest = 0.5;
  for (const PictureErrors& errors :
       picture_errors(*dataset_, evaluation_->detections, {.min_score = options_.min_score})) {
    if (std::ssize(pictures) >= options_.count) break;
    const ImageInfo& info = dataset_->info(errors.index);
    Image image;
    try {
      image = dataset_->load(errors.index);
    } catch (const DataError&) {
      continue;  // the loader tells of it
    }
    tallest =
        std::max(tallest, static_cast<double>(image.height) / static_cast<double>(image.width));
    const auto own = found.find(info.id);
    pictures.push_back(draw_boxes(
        image, drawn_errors(errors, *dataset_, own == found.end() ? Detections{} : *own->second)));
    titles.push_back(fmt::format("{}: {} missed, {} wrong",
                                 std::filesystem::path(info.file).filename().string(),
                                 errors.missed.size(), errors.wrong.size()));
  }
  if (pictures.empty()) return;
  const auto cell_height =
      static_cast<int64_t>(std::min(tallest, 1.5) * static_cast<double>(kWorstWidth));
  write_image(file_, contact_sheet(pictures, titles, kWorstColumns, kWorstWidth, cell_height));
}

}  // namespace kestrel
