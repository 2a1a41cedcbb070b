#include <kestrel/detection/evaluation/coco_json.h>

#include <cmath>

#include <kestrel/kernels/error.h>

namespace kestrel::coco {
namespace {

using simdjson::error_code;
using simdjson::ondemand::value;

bool is_other_type(error_code error) {
  return error == simdjson::INCORRECT_TYPE || error == simdjson::NUMBER_ERROR ||
         error == simdjson::NUMBER_OUT_OF_RANGE;
}

[[noreturn]] void fail_field(const JsonPlace& place, std::string_view field, const char* wanted,
                             std::string_view token, error_code error) {
  if (!is_other_type(error)) fail_json(place, error);
  while (!token.empty() && (token.back() == ' ' || token.back() == '\n' || token.back() == '\r'))
    token.remove_suffix(1);
  const bool cut = token.size() > 40;
  fail<DataError>(place.describe(), ": ", field, field.empty() ? "" : " ", "must be ", wanted,
                  ", got ", token.substr(0, 40), cut ? "..." : "");
}

void json_size(value size, const JsonPlace& place, int64_t& height, int64_t& width) {
  std::vector<int64_t> sizes;
  for_each_element(json_array(size, place, "segmentation size"), place, [&](value v, int64_t) {
    sizes.push_back(json_integer(v, place, "segmentation size"));
  });
  if (sizes.size() != 2)
    fail<DataError>(place.describe(), ": segmentation size must be [height, width], got ",
                    sizes.size(), " numbers");
  height = sizes[0];
  width = sizes[1];
}

Polygons json_polygons(value list, const JsonPlace& place) {
  Polygons polygons;
  for_each_element(json_array(list, place, "segmentation"), place, [&](value polygon, int64_t) {
    auto& xy = polygons.emplace_back();
    for_each_element(
        json_array(polygon, place, "polygon of segmentation"), place,
        [&](value v, int64_t) { xy.push_back(json_number(v, place, "number of a polygon")); });
  });
  return polygons;
}

Segmentation json_runs(value runs, const JsonPlace& place) {
  bool has_size = false;
  int64_t height = 0, width = 0;
  Segmentation result;
  for_each_field(
      json_object(runs, place, "segmentation"), place, [&](std::string_view key, value v) {
        if (key == "size") {
          json_size(v, place, height, width);
          has_size = true;
        } else if (key == "counts") {
          simdjson::ondemand::json_type type;
          if (const auto error = v.type().get(type)) fail_json(place, error);
          if (type == simdjson::ondemand::json_type::array) {
            auto& counts = result.emplace<RunCounts>().counts;
            for_each_element(json_array(v, place, "counts"), place, [&](value count, int64_t) {
              counts.push_back(json_integer(count, place, "count"));
            });
          } else {
            result.emplace<RunText>().text = json_text(v, place, "counts");
          }
        }
      });
  if (!has_size || std::holds_alternative<std::monostate>(result))
    fail<DataError>(place.describe(), ": a run-length segmentation needs size and counts");
  if (auto* text = std::get_if<RunText>(&result)) {
    text->height = height;
    text->width = width;
  } else {
    auto& counts = std::get<RunCounts>(result);
    counts.height = height;
    counts.width = width;
  }
  return result;
}

}  // namespace

std::string JsonPlace::describe() const {
  std::string text = "[coco] " + std::string(file);
  if (!list.empty()) text += ": " + std::string(list) + '[' + std::to_string(index) + ']';
  return text;
}

void fail_json(const JsonPlace& place, error_code error) {
  fail<DataError>(place.describe(), ": not valid JSON: ", simdjson::error_message(error));
}

double json_number(value v, const JsonPlace& place, std::string_view field) {
  double number;
  if (const auto error = v.get_double().get(number))
    fail_field(place, field, "a number", v.raw_json_token(), error);
  return number;
}

int64_t json_integer(value v, const JsonPlace& place, std::string_view field) {
  int64_t integer;
  const auto error = v.get_int64().get(integer);
  if (!error) return integer;
  double number;
  if (is_other_type(error) && !v.get_double().get(number) && std::trunc(number) == number &&
      std::abs(number) <= 9007199254740992.)
    return static_cast<int64_t>(number);
  fail_field(place, field, "an integer", v.raw_json_token(), error);
}

int64_t json_id(value v, const JsonPlace& place, std::string_view field, CocoTextIds& texts) {
  simdjson::ondemand::json_type type;
  if (const auto error = v.type().get(type)) fail_json(place, error);
  return type == simdjson::ondemand::json_type::string ? texts.number(json_text(v, place, field))
                                                       : json_integer(v, place, field);
}

bool json_flag(value v, const JsonPlace& place, std::string_view field) {
  bool flag;
  if (!v.get_bool().get(flag)) return flag;
  double number;
  if (const auto error = v.get_double().get(number))
    fail_field(place, field, "0 or 1", v.raw_json_token(), error);
  return number != 0;
}

std::string json_text(value v, const JsonPlace& place, std::string_view field) {
  std::string_view text;
  if (const auto error = v.get_string().get(text))
    fail_field(place, field, "a string", v.raw_json_token(), error);
  return std::string(text);
}

bool json_box(value v, const JsonPlace& place, std::array<double, 4>& box) {
  int64_t count = 0;
  for_each_element(json_array(v, place, "bbox"), place, [&](value number, int64_t i) {
    const double parsed = json_number(number, place, "number of a bbox");
    if (i < 4) box[i] = parsed;
    ++count;
  });
  if (count != 0 && count != 4)
    fail<DataError>(place.describe(), ": bbox must be [x, y, width, height], got ", count,
                    " numbers");
  return count == 4;
}

Segmentation json_segmentation(value v, const JsonPlace& place) {
  simdjson::ondemand::json_type type;
  if (const auto error = v.type().get(type)) fail_json(place, error);
  if (type == simdjson::ondemand::json_type::array) return json_polygons(v, place);
  if (type == simdjson::ondemand::json_type::object) return json_runs(v, place);
  fail_field(place, "segmentation", "polygons or run lengths", v.raw_json_token(),
             simdjson::INCORRECT_TYPE);
}

simdjson::ondemand::object json_object(value v, const JsonPlace& place, std::string_view field) {
  simdjson::ondemand::object object;
  if (const auto error = v.get_object().get(object))
    fail_field(place, field, "an object", v.raw_json_token(), error);
  return object;
}

simdjson::ondemand::array json_array(value v, const JsonPlace& place, std::string_view field) {
  simdjson::ondemand::array array;
  if (const auto error = v.get_array().get(array))
    fail_field(place, field, "a list", v.raw_json_token(), error);
  return array;
}

}  // namespace kestrel::coco
