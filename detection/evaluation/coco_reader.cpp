#include <kestrel/detection/evaluation/coco_reader.h>

#include <unordered_map>

#include <kestrel/detection/evaluation/coco_json.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/parallel.h>
#include <kestrel/tensor/text.h>

namespace kestrel {
namespace {

using namespace coco;
using simdjson::ondemand::value;

constexpr std::string_view kAnnotations = "annotations", kResults = "results";

/// The text without a byte order mark, and as UTF-8 if it is UTF-16 or UTF-32.
simdjson::padded_string as_utf8(std::string_view text, const std::string& name) {
  const TextForm form = text_form(text);
  if (*form.encoding == '\0') return simdjson::padded_string(text.substr(form.mark));
  const DecodedText decoded = decode_text(text);
  if (!decoded.problem.empty()) fail<DataError>("[coco] ", name, ": ", decoded.problem);
  return simdjson::padded_string(decoded.text);
}

simdjson::padded_string load(const std::string& path) {
  simdjson::padded_string text;
  if (const auto error = simdjson::padded_string::load(path).get(text))
    fail<DataError>("[coco] ", path, ": cannot be read: ", simdjson::error_message(error));
  const TextForm form = text_form(text);
  if (*form.encoding == '\0' && form.mark == 0) return text;
  return as_utf8(text, path);
}

/// Parses a file whose root is an object or a list, as `root` asks of the document.
template <class F>
void parse_document(const simdjson::padded_string& text, const JsonPlace& place, F&& root) {
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
  if (const auto error = parser.iterate(text).get(document)) fail_json(place, error);
  root(document);
  if (!document.current_location().error())
    fail<DataError>(place.describe(), ": not valid JSON: more text after its end");
}

/// Which fields an item had.
struct Seen {
  bool id = false, image = false, category = false, score = false, box = false;
};

void require(bool seen, const JsonPlace& place, const char* field) {
  if (!seen) fail<DataError>(place.describe(), ": has no ", field);
}

EvalImage parse_image(value v, const JsonPlace& place, CocoTextIds& texts) {
  EvalImage image;
  bool has_id = false;
  for_each_field(json_object(v, place), place, [&](std::string_view key, value field) {
    if (key == "id") {
      image.id = json_id(field, place, key, texts);
      has_id = true;
    } else if (key == "height") {
      image.height = json_integer(field, place, key);
    } else if (key == "width") {
      image.width = json_integer(field, place, key);
    }
  });
  require(has_id, place, "id");
  return image;
}

EvalCategory parse_category(value v, const JsonPlace& place) {
  EvalCategory category;
  bool has_id = false;
  for_each_field(json_object(v, place), place, [&](std::string_view key, value field) {
    if (key == "id") {
      category.id = json_integer(field, place, key);
      has_id = true;
    } else if (key == "name") {
      category.name = json_text(field, place, key);
    }
  });
  require(has_id, place, "id");
  return category;
}

struct TruthTexts {
  CocoTextIds annotations, images;
};

EvalTruth parse_truth(value v, const JsonPlace& place, CocoMetric metric, TruthTexts& texts,
                      Segmentation& shape) {
  EvalTruth truth;
  Seen seen;
  for_each_field(json_object(v, place), place, [&](std::string_view key, value field) {
    if (key == "id") {
      truth.id = json_id(field, place, key, texts.annotations);
      seen.id = true;
    } else if (key == "image_id") {
      truth.image_id = json_id(field, place, key, texts.images);
      seen.image = true;
    } else if (key == "category_id") {
      truth.category_id = json_integer(field, place, key);
      seen.category = true;
    } else if (key == "area") {
      truth.area = json_number(field, place, key);
    } else if (key == "iscrowd") {
      truth.crowd = json_flag(field, place, key);
    } else if (key == "bbox" && metric == CocoMetric::kBbox) {
      seen.box = json_box(field, place, truth.bbox);
    } else if (key == "segmentation" && metric == CocoMetric::kSegm) {
      shape = json_segmentation(field, place);
    }
  });
  require(seen.id, place, "id");
  require(seen.image, place, "image_id");
  require(seen.category, place, "category_id");
  if (metric == CocoMetric::kBbox) require(seen.box, place, "bbox");
  if (metric == CocoMetric::kSegm) require(shape.index() != 0, place, "segmentation");
  return truth;
}

using ImageSizes = std::unordered_map<int64_t, const EvalImage*>;

ImageSizes sizes_of(const EvalTruths& truths) {
  ImageSizes sizes;
  for (const EvalImage& image : truths.images) sizes[image.id] = &image;
  return sizes;
}

RleMask to_mask(const Segmentation& shape, const ImageSizes& sizes, int64_t image_id) {
  if (const auto* text = std::get_if<RunText>(&shape))
    return mask_from_string(text->text, text->height, text->width);
  if (const auto* runs = std::get_if<RunCounts>(&shape))
    return mask_from_counts(runs->counts, runs->height, runs->width);
  const EvalImage& image = *sizes.at(image_id);
  return mask_from_polygons(std::get<Polygons>(shape), image.height, image.width);
}

/// Turns the segmentations of all items into masks, on several threads.
template <class Item>
void convert_masks(std::vector<Item>& items, std::vector<Segmentation>& shapes,
                   const ImageSizes& sizes, const std::string& name, std::string_view list) {
  parallel_for(std::ssize(items), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (shapes[i].index() == 0 || !sizes.contains(items[i].image_id)) continue;
      try {
        items[i].mask = to_mask(shapes[i], sizes, items[i].image_id);
      } catch (const DataError& error) {
        fail<DataError>(JsonPlace{name, list, i}.describe(), ": ", error.what());
      }
      shapes[i] = {};
    }
  });
}

/// Images with text as their id are evaluated in the order of the texts.
void order_texts(EvalTruths& truths, const CocoTextIds& texts) {
  if (texts.size() == 0) return;
  const std::vector<size_t> ranks = texts.ranks();
  std::vector<size_t> order(ranks.size());
  for (size_t i = 0; i < ranks.size(); ++i) order[ranks[i]] = i;
  for (const size_t i : order) truths.image_texts.number(texts.text(CocoTextIds::at(i)));
  const auto reorder = [&](int64_t& id) {
    if (CocoTextIds::is_text(id)) id = CocoTextIds::at(ranks[CocoTextIds::place(id)]);
  };
  for (EvalImage& image : truths.images) reorder(image.id);
  for (EvalTruth& truth : truths.annotations) reorder(truth.image_id);
}

EvalTruths parse_truths(const simdjson::padded_string& text, CocoMetric metric,
                        const std::string& name) {
  EvalTruths truths;
  truths.source = name;
  std::vector<Segmentation> shapes;
  TruthTexts texts;
  bool has_images = false, has_categories = false;
  const JsonPlace file{name};
  const auto parse_field = [&](std::string_view list, value v) {
    if (list == "images") {
      has_images = true;
      truths.images.clear();
      for_each_element(json_array(v, file, list), file, [&](value item, int64_t i) {
        truths.images.push_back(parse_image(item, {name, list, i}, texts.images));
      });
    } else if (list == "categories") {
      has_categories = true;
      truths.categories.clear();
      for_each_element(json_array(v, file, list), file, [&](value item, int64_t i) {
        truths.categories.push_back(parse_category(item, {name, list, i}));
      });
    } else if (list == kAnnotations) {
      truths.annotations.clear();
      shapes.clear();
      for_each_element(json_array(v, file, list), file, [&](value item, int64_t i) {
        Segmentation shape;
        truths.annotations.push_back(parse_truth(item, {name, list, i}, metric, texts, shape));
        shapes.push_back(std::move(shape));
      });
    }
  };
  parse_document(text, file, [&](simdjson::ondemand::document& document) {
    simdjson::ondemand::object root;
    if (const auto error = document.get_object().get(root)) {
      if (error == simdjson::INCORRECT_TYPE)
        fail<DataError>(file.describe(),
                        ": annotations must be an object with images, categories and annotations");
      fail_json(file, error);
    }
    for_each_field(root, file, parse_field);
  });
  require(has_images, file, "images");
  require(has_categories, file, "categories");
  order_texts(truths, texts.images);
  if (metric == CocoMetric::kSegm)
    convert_masks(truths.annotations, shapes, sizes_of(truths), name, kAnnotations);
  return truths;
}

/// Results as parsed, with what is not settled before the first one is known.
struct ParsedResult {
  CocoEvalDetection detection;
  Segmentation shape;
  bool has_box = false;
};

ParsedResult parse_result(value v, const JsonPlace& place, bool with_shape, CocoTextIds& texts) {
  ParsedResult result;
  CocoEvalDetection& detection = result.detection;
  Seen seen;
  for_each_field(json_object(v, place), place, [&](std::string_view key, value field) {
    if (key == "image_id") {
      detection.image_id = json_id(field, place, key, texts);
      seen.image = true;
    } else if (key == "category_id") {
      detection.category_id = json_integer(field, place, key);
      seen.category = true;
    } else if (key == "score") {
      detection.score = json_number(field, place, key);
      seen.score = true;
    } else if (key == "bbox") {
      result.has_box = json_box(field, place, detection.bbox);
    } else if (key == "segmentation" && with_shape) {
      result.shape = json_segmentation(field, place);
    }
  });
  require(seen.image, place, "image_id");
  require(seen.category, place, "category_id");
  require(seen.score, place, "score");
  return result;
}

Polygons rectangle(const std::array<double, 4>& box) {
  const double x1 = box[0], x2 = box[0] + box[2], y1 = box[1], y2 = box[1] + box[3];
  return {{x1, y1, x1, y2, x2, y2, x2, y1}};
}

std::vector<CocoEvalDetection> parse_results(const simdjson::padded_string& text,
                                             const EvalTruths& truths, CocoMetric metric,
                                             const std::string& name) {
  const ImageSizes sizes = sizes_of(truths);
  const JsonPlace file{name};
  std::vector<CocoEvalDetection> detections;
  std::vector<Segmentation> shapes;
  CocoTextIds texts = truths.image_texts;  // others get numbers of no image
  bool boxes = false;
  const auto parse_item = [&](value item, int64_t i) {
    const JsonPlace place{name, kResults, i};
    const bool with_shape = i == 0 || metric == CocoMetric::kSegm || !boxes;
    ParsedResult result = parse_result(item, place, with_shape, texts);
    CocoEvalDetection& detection = result.detection;
    if (i == 0) boxes = result.has_box;
    if (!sizes.contains(detection.image_id))
      fail<DataError>(place.describe(), ": image ", texts.describe(detection.image_id),
                      " is not among the images of ", truths.source);
    if (boxes) {
      if (!result.has_box)
        fail<DataError>(place.describe(), ": has no bbox, but the first result has one");
      detection.area = detection.bbox[2] * detection.bbox[3];
      if (metric == CocoMetric::kSegm && result.shape.index() == 0)
        result.shape = rectangle(detection.bbox);
    } else if (result.shape.index() == 0) {
      fail<DataError>(place.describe(),
                      i == 0 ? ": has neither bbox nor segmentation"
                             : ": has no segmentation, and the first result has no bbox");
    }
    if (boxes && metric == CocoMetric::kBbox) result.shape = {};
    detections.push_back(std::move(detection));
    if (metric == CocoMetric::kSegm || !boxes) shapes.push_back(std::move(result.shape));
  };
  parse_document(text, file, [&](simdjson::ondemand::document& document) {
    simdjson::ondemand::array root;
    if (const auto error = document.get_array().get(root)) {
      if (error == simdjson::INCORRECT_TYPE)
        fail<DataError>(file.describe(), ": results must be a list of objects");
      fail_json(file, error);
    }
    for_each_element(root, file, parse_item);
  });
  if (!shapes.empty()) convert_masks(detections, shapes, sizes, name, kResults);
  if (!boxes)
    for (CocoEvalDetection& detection : detections) {
      detection.bbox = mask_box(detection.mask);
      detection.area = static_cast<double>(mask_area(detection.mask));
    }
  return detections;
}

}  // namespace

EvalTruths read_coco_truths(const std::string& path, CocoMetric metric) {
  return parse_truths(load(path), metric, path);
}

EvalTruths parse_coco_truths(std::string_view json, CocoMetric metric, const std::string& name) {
  return parse_truths(as_utf8(json, name), metric, name);
}

std::vector<CocoEvalDetection> read_coco_results(const std::string& path, const EvalTruths& truths,
                                                 CocoMetric metric) {
  return parse_results(load(path), truths, metric, path);
}

std::vector<CocoEvalDetection> parse_coco_results(std::string_view json, const EvalTruths& truths,
                                                  CocoMetric metric, const std::string& name) {
  return parse_results(as_utf8(json, name), truths, metric, name);
}

CocoEvalResult evaluate_coco_files(const std::string& annotations, const std::string& results,
                                   CocoMetric metric) {
  const EvalTruths truths = read_coco_truths(annotations, metric);
  if (truths.images.empty()) {
    fail<DataError>("[coco] ", annotations, ": lists no image: there is nothing to evaluate on");
  }
  return evaluate_coco(truths, read_coco_results(results, truths, metric), metric);
}

}  // namespace kestrel
