#include <kestrel/engine/records/batch_pictures.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <kestrel/engine/records/pictures.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/options.h>

namespace kestrel {
namespace {

constexpr int64_t kMostImages = 16;
constexpr int64_t kCellWidth = 480;

std::vector<DrawnBox> boxes_of(const GroundTruth& truth, std::span<const std::string> names) {
  std::vector<DrawnBox> drawn;
  const auto boxes = truth.boxes.values<float>();
  const auto labels = truth.labels.values<int64_t>();
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto label = static_cast<size_t>(labels[i]);
    drawn.push_back({.box = {boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]},
                     .label = labels[i],
                     .caption = label < names.size() ? names[label] : std::to_string(label)});
  }
  return drawn;
}

}  // namespace

NormalizeOptions normalization_of(const Config& dataset) {
  if (const Config* pipeline = dataset.find("pipeline")) {
    for (const Config& transform : pipeline->items()) {
      if (transform.at("type").as_string() == "Normalize") {
        return read_options<NormalizeOptions>(transform, {}, {"type"});
      }
    }
  } else if (const Config* inner = dataset.find("dataset")) {
    return normalization_of(*inner);
  } else if (const Config* parts = dataset.find("datasets"); parts && parts->size() > 0) {
    return normalization_of(parts->items()[0]);
  }
  return {.mean = {0, 0, 0}, .std = {1, 1, 1}};
}

std::vector<Image> batch_images(const Tensor& images, const NormalizeOptions& normalization) {
  KESTREL_CHECK(images.dims() == 4 && images.size(3) == 3,
                "[pictures] images must be (N, H, W, 3), got ", images.shape());
  const Tensor host = images.to(Device::cpu()).to(DType::Float32);
  const float* from = host.data<float>();
  std::vector<Image> pictures;
  for (int64_t n = 0; n < images.size(0); ++n) {
    Image picture(images.size(1), images.size(2));
    for (size_t i = 0; i < picture.pixels.size(); i += 3, from += 3) {
      for (size_t c = 0; c < 3; ++c) {
        const float value = from[c] * normalization.std[c] + normalization.mean[c];
        // NaN becomes 0.
        picture.pixels[i + (normalization.to_rgb ? c : 2 - c)] =
            static_cast<uint8_t>(value > 0 ? std::lround(std::min(value, 255.0F)) : 0);
      }
    }
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

Image batch_sheet(const Batch& batch, const NormalizeOptions& normalization,
                  std::span<const std::string> class_names) {
  const int64_t count = std::min(kMostImages, batch.images.size(0));
  std::vector<Image> pictures = batch_images(batch.images.slice(0, count), normalization);
  std::vector<std::string> titles;
  for (size_t i = 0; i < pictures.size(); ++i) {
    pictures[i] = draw_boxes(pictures[i], boxes_of(batch.truths[i], class_names));
    titles.push_back(std::filesystem::path(batch.metas[i].file).filename().string());
  }
  const auto columns = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  const double ratio = static_cast<double>(batch.images.size(1)) /
                       static_cast<double>(std::max<int64_t>(1, batch.images.size(2)));
  return contact_sheet(pictures, titles, columns, kCellWidth,
                       std::max<int64_t>(1, std::lround(kCellWidth * ratio)));
}

}  // namespace kestrel
