#include "coco_sets.h"

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include <nlohmann/json.hpp>

#include <kestrel/detection/masks/rle_mask.h>

namespace kestrel::test {
namespace {

using Json = nlohmann::ordered_json;
using XYWH = std::array<double, 4>;

struct Image {
  int64_t id, height, width;
};

struct Truth {
  XYWH box;
  int64_t category;
};

enum class ResultKind { kBoxes, kBoth, kMasks };

class SetMaker {
 public:
  explicit SetMaker(int index)
      : random_(static_cast<uint64_t>(index) * 7919 + 17),
        kind_(static_cast<ResultKind>(index % 3)) {
    tied_scores_ = chance(3);
    quarter_pixels_ = chance(2);
    crowded_ = index % 20 == 7;
    next_truth_id_ = index % 8 == 3 ? 0 : 1 + below(1000);
  }

  CocoSet make() {
    Json images = Json::array(), categories = Json::array();
    for (int64_t n = 1 + below(6); n > 0; --n) {
      const int64_t side = chance(4) ? 110 : 40;
      const int64_t id = 1000 - 100 * n + below(90), height = side + below(50);
      images_.push_back({id, height, side + below(50)});
      images.push_back({{"id", id}, {"height", height}, {"width", images_.back().width}});
    }
    for (int64_t n = 1 + below(4); n > 0; --n) {
      category_ids_.push_back(n * 10 + below(10));
      categories.push_back({{"id", category_ids_.back()}, {"name", std::to_string(n)}});
    }
    for (const Image& image : images_) {
      std::vector<Truth> truths;
      if (!chance(6))
        for (int64_t n = below(7); n > 0; --n) truths.push_back(add_truth(image));
      if (!chance(8)) add_results(image, truths);
    }
    if (results_.empty()) add_result(images_[0], random_box(images_[0]), category_ids_[0]);
    const Json truths{{"images", images}, {"categories", categories}, {"annotations", truths_}};
    return {truths.dump(), results_.dump()};
  }

 private:
  int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  bool chance(int64_t one_in) { return below(one_in) == 0; }

  /// From 0 to below `limit`, in quarters of a pixel or finer, by set.
  double position(double limit) {
    const auto parts = quarter_pixels_ ? 4. : 1048576.;
    const auto steps = static_cast<int64_t>(limit * parts);
    return steps <= 0 ? 0 : static_cast<double>(below(steps)) / parts;
  }
  double fraction() { return static_cast<double>(below(1 << 20)) / (1 << 20); }

  XYWH random_box(const Image& image) {
    const auto w = static_cast<double>(image.width), h = static_cast<double>(image.height);
    const double x = position(w * .7), y = position(h * .7);
    const double box_w = position(w - x), box_h = position(h - y);
    XYWH box{x, y, box_w, box_h};
    if (w > 100 && h > 100 && chance(4)) box = {x * .05, y * .05, 96, 96};
    if (chance(8)) box = {x * .1, y * .1, 32, 32};
    if (chance(12)) box[2 + below(2)] = 0;
    return box;
  }

  XYWH jittered(const XYWH& box) {
    XYWH moved = box;
    if (chance(4)) return moved;
    const double reach = .02 + .3 * fraction();
    for (int i = 0; i < 4; ++i) moved[i] += (fraction() - .5) * reach * box[2 + i % 2];
    return moved;
  }

  int64_t random_category() {
    return chance(25) ? 999 : category_ids_[below(std::ssize(category_ids_))];
  }

  Json polygons_of(const XYWH& box) {
    Json polygons = Json::array();
    for (int64_t parts = chance(4) ? 2 : 1; parts > 0; --parts) {
      Json polygon = Json::array();
      for (int64_t i = 0, numbers = 6 + 2 * below(6); i < numbers; ++i)
        polygon.push_back(box[i % 2] + fraction() * box[2 + i % 2]);
      polygons.push_back(polygon);
    }
    return polygons;
  }

  /// An ellipse or a rectangle in the box.
  RleMask runs_of(const Image& image, const XYWH& box) {
    const bool ellipse = chance(2);
    std::vector<uint8_t> pixels(image.height * image.width);
    for (int64_t y = 0; y < image.height; ++y)
      for (int64_t x = 0; x < image.width; ++x) {
        const double u = (static_cast<double>(x) + .5 - box[0]) / std::max(box[2], 1e-9) * 2 - 1;
        const double v = (static_cast<double>(y) + .5 - box[1]) / std::max(box[3], 1e-9) * 2 - 1;
        pixels[y * image.width + x] = ellipse ? u * u + v * v <= 1 : u * u <= 1 && v * v <= 1;
      }
    return mask_from_pixels(pixels, image.height, image.width);
  }

  Json segmentation(const Image& image, const XYWH& box, bool compressed) {
    if (!compressed && chance(2)) return polygons_of(box);
    const RleMask mask = runs_of(image, box);
    Json json{{"size", {mask.height, mask.width}}};
    if (compressed || chance(2))
      json["counts"] = mask_to_string(mask);
    else
      json["counts"] = mask.counts;
    return json;
  }

  Truth add_truth(const Image& image) {
    const Truth truth{random_box(image), random_category()};
    double area = truth.box[2] * truth.box[3];
    if (chance(6)) area = chance(2) ? 1024 : 9216;
    if (chance(10)) area = position(12000);
    Json json;
    json["id"] = next_truth_id_++;
    json["image_id"] = image.id;
    json["category_id"] = truth.category;
    json["bbox"] = truth.box;
    json["area"] = area;
    json["iscrowd"] = chance(6) ? 1 : 0;
    json["segmentation"] = segmentation(image, truth.box, false);
    if (chance(5)) json["ignore"] = 1;
    truths_.push_back(json);
    return truth;
  }

  void add_result(const Image& image, const XYWH& box, int64_t category) {
    Json json;
    json["image_id"] = image.id;
    json["category_id"] = category;
    json["score"] = tied_scores_ ? static_cast<double>(below(6)) / 5 : fraction();
    if (kind_ != ResultKind::kMasks) json["bbox"] = box;
    if (kind_ != ResultKind::kBoxes)
      json["segmentation"] = segmentation(image, box, kind_ == ResultKind::kMasks);
    results_.push_back(json);
  }

  void add_results(const Image& image, const std::vector<Truth>& truths) {
    for (const Truth& truth : truths)
      for (int64_t n = below(4); n > 0; --n) {
        const XYWH box = jittered(truth.box);
        add_result(image, box, chance(8) ? random_category() : truth.category);
      }
    for (int64_t n = below(6); n > 0; --n) {
      const XYWH box = random_box(image);
      add_result(image, box, random_category());
    }
    for (int n = 0; crowded_ && n < 130; ++n) {
      const bool anywhere = truths.empty() || chance(2);
      const XYWH box =
          anywhere ? random_box(image) : jittered(truths[below(std::ssize(truths))].box);
      add_result(image, box, category_ids_[0]);
    }
  }

  std::mt19937_64 random_;
  ResultKind kind_;
  bool tied_scores_ = false, quarter_pixels_ = false, crowded_ = false;
  int64_t next_truth_id_ = 1;
  std::vector<Image> images_;
  std::vector<int64_t> category_ids_;
  Json truths_ = Json::array(), results_ = Json::array();
};

}  // namespace

CocoSet make_coco_set(int index) {
  return SetMaker(index).make();
}

}  // namespace kestrel::test
