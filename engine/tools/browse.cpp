#include <kestrel/engine/tools/browse.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <kestrel/data/loader.h>
#include <kestrel/engine/records/pictures.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>

namespace kestrel {
namespace {

/// The pixels as they would be handed over, padding included.
Image picture_of(const Sample& sample) {
  const int64_t height = sample.meta.pad_height, width = sample.meta.pad_width;
  std::vector<float> values(static_cast<size_t>(height * width * 3));
  sample.write(values.data(), height, width);
  Image image(height, width);
  std::ranges::transform(values, image.pixels.begin(), [](float v) {
    return static_cast<uint8_t>(std::lrint(std::clamp(v, 0.0F, 255.0F)));
  });
  return image;
}

std::vector<DrawnBox> boxes_of(const Sample& sample, const std::vector<std::string>& names) {
  std::vector<DrawnBox> boxes;
  for (size_t i = 0; i < sample.instances.boxes.size(); ++i) {
    boxes.push_back({.box = sample.instances.boxes[i],
                     .label = sample.instances.labels[i],
                     .caption = names[static_cast<size_t>(sample.instances.labels[i])],
                     .dashed = false});
  }
  for (const Box& box : sample.instances.ignored) {
    boxes.push_back({.box = box, .label = 0, .caption = "ignored", .dashed = true});
  }
  return boxes;
}

}  // namespace

Image browse_sheet(const Dataset& dataset, const Pipeline& pipeline, const BrowseOptions& options) {
  std::vector<Image> pictures;
  std::vector<std::string> titles;
  double tallest = 0.5;
  const std::vector<int64_t> order = RandomSampler(dataset, options.seed).order(0);
  for (size_t place = 0; place < order.size(); ++place) {
    if (static_cast<int64_t>(pictures.size()) >= options.num_images) break;
    Philox random(options.seed, 0, place);
    try {
      Sample sample = load_sample(dataset, order[place]);
      if (!pipeline.apply(sample, random)) continue;
      const Image picture = picture_of(sample);
      tallest = std::max(tallest,
                         static_cast<double>(picture.height) / static_cast<double>(picture.width));
      pictures.push_back(draw_boxes(picture, boxes_of(sample, dataset.class_names())));
      titles.push_back(std::filesystem::path(sample.meta.file).filename().string());
    } catch (const DataError& error) {
      if (dataset.strict()) throw;
      warn(error.what());
    }
  }
  if (pictures.empty()) {
    fail<DataError>("[browse] none of the ", dataset.size(), " images can be shown");
  }
  const double height = std::min(tallest, 1.5) * static_cast<double>(options.cell_width);
  return contact_sheet(pictures, titles, options.columns, options.cell_width,
                       static_cast<int64_t>(height));
}

Config without_normalize(const Config& pipeline) {
  Config out = Config::list();
  for (Config transform : pipeline.items()) {
    if (transform.at("type").as_string() == "Normalize") continue;
    if (const Config* inner = transform.find("transforms")) {
      transform.set("transforms", without_normalize(*inner));
    }
    out.push_back(transform);
  }
  return out;
}

}  // namespace kestrel
