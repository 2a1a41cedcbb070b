#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <simdjson.h>

#include <kestrel/detection/evaluation/coco_text_ids.h>
#include <kestrel/detection/masks/rle_mask.h>

namespace kestrel::coco {

/// A place in a JSON file, for messages: "[coco] instances.json: annotations[12]".
struct JsonPlace {
  std::string_view file;
  std::string_view list{};  ///< "annotations"; empty for the file as a whole.
  int64_t index = 0;

  std::string describe() const;
};

/// Throws DataError: the text is no JSON from here on, or not what simdjson was asked for.
[[noreturn]] void fail_json(const JsonPlace& place, simdjson::error_code error);

/// Values of a field; each throws DataError that names place, field and value if it is something
/// else.
double json_number(simdjson::ondemand::value value, const JsonPlace& place, std::string_view field);
int64_t json_integer(simdjson::ondemand::value value, const JsonPlace& place,
                     std::string_view field);
/// A whole number, or text, which gets one in `texts`.
int64_t json_id(simdjson::ondemand::value value, const JsonPlace& place, std::string_view field,
                CocoTextIds& texts);
bool json_flag(simdjson::ondemand::value value, const JsonPlace& place, std::string_view field);
std::string json_text(simdjson::ondemand::value value, const JsonPlace& place,
                      std::string_view field);
/// Four numbers; returns false for an empty list.
bool json_box(simdjson::ondemand::value value, const JsonPlace& place, std::array<double, 4>& box);

/// A segmentation as it stands in a file.
struct RunText {
  std::string text;
  int64_t height = 0, width = 0;
};
struct RunCounts {
  std::vector<int64_t> counts;
  int64_t height = 0, width = 0;
};
using Polygons = std::vector<std::vector<double>>;
using Segmentation = std::variant<std::monostate, Polygons, RunText, RunCounts>;

Segmentation json_segmentation(simdjson::ondemand::value value, const JsonPlace& place);

/// Calls f(value, index) for the elements of an array.
template <class F>
void for_each_element(simdjson::ondemand::array array, const JsonPlace& place, F&& f) {
  int64_t index = 0;
  for (auto element : array) {
    simdjson::ondemand::value value;
    if (const auto error = element.get(value)) fail_json(place, error);
    f(value, index++);
  }
}

/// Calls f(key, value) for the fields of an object.
template <class F>
void for_each_field(simdjson::ondemand::object object, const JsonPlace& place, F&& f) {
  for (auto field : object) {
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) fail_json(place, error);
    f(key, field.value().value_unsafe());
  }
}

/// The fields of a value that must be an object, the elements of one that must be a list.
simdjson::ondemand::object json_object(simdjson::ondemand::value value, const JsonPlace& place,
                                       std::string_view field = "");
simdjson::ondemand::array json_array(simdjson::ondemand::value value, const JsonPlace& place,
                                     std::string_view field);

}  // namespace kestrel::coco
