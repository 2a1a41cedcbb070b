#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include <kestrel/data/datasets/class_map.h>
#include <kestrel/data/datasets/coco_file.h>
#include <kestrel/tensor/text.h>

namespace kestrel {
namespace {

using simdjson::ondemand::field;
using simdjson::ondemand::json_type;
using simdjson::ondemand::object;
using simdjson::ondemand::value;

// A value whose type is wrong spoils one item, a file that is not JSON spoils all: those errors
// simdjson throws, and read_coco_file turns them into a DataError.
bool is_fatal(simdjson::error_code code) {
  switch (code) {
    case simdjson::SUCCESS:
    case simdjson::INCORRECT_TYPE:
    case simdjson::NUMBER_ERROR:
    case simdjson::NUMBER_OUT_OF_RANGE:
    case simdjson::N_ATOM_ERROR:
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
      return false;
    default:
      return true;
  }
}

template <class T>
std::optional<T> take(simdjson::simdjson_result<T> result) {
  if (is_fatal(result.error())) throw simdjson::simdjson_error(result.error());
  if (result.error() != simdjson::SUCCESS) return std::nullopt;
  return std::move(result).value_unsafe();
}

std::optional<double> number(value v) {
  const auto n = take(v.get_double());
  return n && std::isfinite(*n) ? n : std::nullopt;
}

// A text, unless half a pair of surrogates is escaped in it, which is no character.
std::optional<std::string> text_of(value v) {
  const auto text = take(v.get_string());
  return text && is_utf8(*text) ? std::optional<std::string>(*text) : std::nullopt;
}

// Integers, also those that were written as 12.0.
std::optional<int64_t> integer(value v) {
  if (const auto n = take(v.get_int64())) return n;
  const auto n = number(v);
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (n && std::floor(*n) == *n && std::abs(*n) <= kExact) return static_cast<int64_t>(*n);
  return std::nullopt;
}

// An id that is a whole number or text; text has a number in `texts`.
std::optional<int64_t> id_of(value v, CocoTextIds& texts) {
  if (v.type().value() == json_type::string) {
    const auto text = text_of(v);
    return text ? std::optional(texts.number(*text)) : std::nullopt;
  }
  const auto n = integer(v);
  return n && !CocoTextIds::is_text(*n) ? n : std::nullopt;
}

// A side of an image; 0 where it is none.
int64_t side(value v) {
  const int64_t n = integer(v).value_or(0);
  return n >= 1 && n <= kMaxImagePixels ? n : 0;
}

std::optional<bool> flag(value v) {
  if (const auto b = take(v.get_bool())) return b;
  const auto n = number(v);
  return n ? std::optional(*n != 0) : std::nullopt;
}

// Hands all of the numbers of an array to f(double); false where something in it is not a number.
template <class F>
bool each_number(value v, F&& f) {
  auto items = take(v.get_array());
  if (!items) return false;
  bool good = true;
  for (auto item : *items) {
    const auto n = number(item.value());
    good = good && n.has_value();
    if (good) f(*n);
  }
  return good;
}

std::optional<std::vector<double>> numbers(value v) {
  std::vector<double> out;
  const bool good = each_number(v, [&](double n) { out.push_back(n); });
  return good ? std::optional(std::move(out)) : std::nullopt;
}

bool read_bbox(value v, std::array<double, 4>& bbox) {
  size_t count = 0;
  const bool good = each_number(v, [&](double n) {
    if (count < bbox.size()) bbox[count] = n;
    ++count;
  });
  return good && count == bbox.size();
}

// The key of a field. Unescaping would copy every key of the file; names without a backslash are
// as they are written.
std::string_view key_of(field& entry) {
  const char* raw = entry.key().raw();
  const char* end = raw;
  while (*end != '"' && *end != '\\') ++end;
  if (*end == '\\') return entry.unescaped_key().value();
  return {raw, static_cast<size_t>(end - raw)};
}

// The beginning of a value as it is written in the file, for messages: a list or object up to the
// first closing bracket, else up to what ends it. Behind the text there is the padding to look at.
std::string written(const char* at) {
  static_assert(kJsonPadding > 50);
  const std::string_view text(at, 50);
  const bool nested = text[0] == '[' || text[0] == '{';
  const size_t end = text.find_first_of(nested ? "]}" : ",]}\n");
  if (end == std::string_view::npos) return std::string(text.substr(0, text.find('\0'))) + "...";
  return std::string(text.substr(0, nested ? end + 1 : end));
}

bool read_run_lengths(object fields, Segmentation& out) {
  bool good = true;
  for (field entry : fields) {
    const std::string_view key = key_of(entry);
    value v = entry.value();
    if (key == "size") {
      const auto size = numbers(v);
      const auto is_side = [](double n) { return n >= 1 && n <= kMaxImagePixels; };
      if (size && size->size() == 2 && std::ranges::all_of(*size, is_side)) {
        out.height = static_cast<int64_t>((*size)[0]);
        out.width = static_cast<int64_t>((*size)[1]);
      }
    } else if (key == "counts") {
      if (v.type().value() == json_type::string) {
        out.compressed = std::string(v.get_string().value());
      } else if (const auto counts = numbers(v)) {
        for (const double c : *counts) {
          good = good && c >= 0 && c <= 4294967295.0;
          if (good) out.counts.push_back(static_cast<uint32_t>(c));
        }
      }
    }
  }
  return good && out.height > 0 && out.width > 0 &&
         (!out.counts.empty() || !out.compressed.empty());
}

std::shared_ptr<const Segmentation> read_segmentation(value v) {
  auto out = std::make_shared<Segmentation>();
  bool good = false;
  if (v.type().value() == json_type::array) {
    good = true;
    for (auto item : v.get_array()) {
      auto polygon = numbers(item.value());
      if (!polygon || polygon->size() < 6 || polygon->size() % 2 != 0) {
        good = false;
      } else {
        out->polygons.push_back(std::move(*polygon));
      }
    }
    good = good && !out->polygons.empty();
  } else if (v.type().value() == json_type::object) {
    good = read_run_lengths(v.get_object().value(), *out);
  }
  return good ? out : nullptr;
}

void read_image(object fields, int64_t index, CocoFile& out, Complaints& complaints) {
  ImageInfo info;
  std::optional<int64_t> id;
  for (field entry : fields) {
    const std::string_view key = key_of(entry);
    value v = entry.value();
    if (key == "id") {
      id = id_of(v, out.image_ids);
    } else if (key == "file_name") {
      info.file = text_of(v).value_or("");
    } else if (key == "width") {
      info.width = side(v);
    } else if (key == "height") {
      info.height = side(v);
    }
  }
  if (!id) {
    return complaints.dropped("image entry ", index, " has no id that is a whole number or text");
  }
  info.id = *id;
  if (info.file.empty()) {
    return complaints.dropped("image ", out.image_ids.describe(info.id), " has no file_name");
  }
  out.images.push_back(std::move(info));
}

void read_category(object fields, int64_t index, CocoFile& out, Complaints& complaints) {
  CocoFile::Category category;
  std::optional<int64_t> id;
  for (field entry : fields) {
    const std::string_view key = key_of(entry);
    value v = entry.value();
    if (key == "id") {
      id = integer(v);
    } else if (key == "name") {
      category.name = text_of(v).value_or("");
    }
  }
  if (!id) return complaints.dropped("category entry ", index, " has no id that is a whole number");
  category.id = *id;
  if (class_name_of(category.name).empty())
    return complaints.dropped("category ", category.id, " has no name");
  out.categories.push_back(std::move(category));
}

void read_annotation(object fields, int64_t index, bool with_mask, CocoFile& out,
                     Complaints& complaints) {
  CocoFile::Record record;
  std::optional<int64_t> id, image_id, category_id;
  bool good_bbox = false, bad_segmentation = false;
  const char* bbox_text = nullptr;
  std::shared_ptr<const Segmentation> segmentation;
  for (field entry : fields) {
    const std::string_view key = key_of(entry);
    value v = entry.value();
    if (key == "id") {
      id = id_of(v, out.annotation_ids);
    } else if (key == "image_id") {
      image_id = id_of(v, out.image_ids);
    } else if (key == "category_id") {
      category_id = integer(v);
    } else if (key == "bbox") {
      bbox_text = v.raw_json_token().data();
      good_bbox = read_bbox(v, record.bbox);
    } else if (key == "area") {
      record.area = number(v).value_or(record.area);
    } else if (key == "iscrowd") {
      record.crowd = flag(v).value_or(false);
    } else if (key == "ignore") {
      record.ignore = flag(v).value_or(false);
    } else if (key == "segmentation" && with_mask) {
      segmentation = read_segmentation(v);
      bad_segmentation = segmentation == nullptr;
    }
  }
  if (!id) {
    return complaints.dropped("annotation entry ", index,
                              " has no id that is a whole number or text");
  }
  record.id = *id;
  const auto describe = [&] { return "annotation " + out.annotation_ids.describe(record.id); };
  if (!image_id) {
    return complaints.dropped(describe(), " has no image_id that is a whole number or text");
  }
  record.image_id = *image_id;
  const auto drop = [&](const auto&... why) {
    complaints.dropped(describe(), " of image ", out.image_ids.describe(record.image_id), why...);
  };
  if (!category_id) return drop(" has no category_id that is a whole number");
  record.category_id = *category_id;
  if (bbox_text == nullptr) return drop(" has no bbox");
  if (!good_bbox) return drop(": bbox is not 4 finite numbers, but ", written(bbox_text));
  if (bad_segmentation) {
    complaints.note(describe(), " of image ", out.image_ids.describe(record.image_id),
                    " has a segmentation that is neither polygons nor run lengths; "
                    "its mask is left out");
  }
  out.annotations.push_back(record);
  if (with_mask) out.segmentations.push_back(std::move(segmentation));
}

// Calls f(object, index) for the elements of an array of objects.
template <class F>
void each_object(value v, std::string_view key, Complaints& complaints, F&& f) {
  auto items = take(v.get_array());
  if (!items) throw simdjson::simdjson_error(simdjson::INCORRECT_TYPE);
  int64_t index = 0;
  for (auto item : *items) {
    auto fields = take(item.value().get_object());
    if (fields) {
      f(*fields, index);
    } else {
      complaints.dropped(key, " entry ", index, " is not an object");
    }
    ++index;
  }
}

void read_document(simdjson::ondemand::document& document, const std::string& path, bool with_mask,
                   CocoFile& out, Complaints& complaints) {
  if (const json_type type = document.type().value(); type != json_type::object) {
    fail<DataError>("[coco] ", path, ": is a JSON ", type == json_type::array ? "list" : "value",
                    ", not an object with images, annotations and categories",
                    type == json_type::array ? " (is it a results file?)" : "");
  }
  bool images = false, annotations = false, categories = false;
  for (auto field : document.get_object()) {
    const std::string key(field.unescaped_key().value());
    value v = field.value();
    if (key == "images") {
      images = true;
      each_object(v, key, complaints,
                  [&](object o, int64_t i) { read_image(o, i, out, complaints); });
    } else if (key == "annotations") {
      annotations = true;
      each_object(v, key, complaints,
                  [&](object o, int64_t i) { read_annotation(o, i, with_mask, out, complaints); });
    } else if (key == "categories") {
      categories = true;
      each_object(v, key, complaints,
                  [&](object o, int64_t i) { read_category(o, i, out, complaints); });
    }
  }
  for (const auto& [there, what] :
       {std::pair(images, "images"), std::pair(annotations, "annotations"),
        std::pair(categories, "categories")}) {
    if (!there)
      fail<DataError>("[coco] ", path, ": has no \"", what, "\"; is it an instances file?");
  }
}

}  // namespace

CocoFile parse_coco_file(std::string_view json, const std::string& path, bool with_mask,
                         Complaints& complaints) {
  static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);
  if (json.empty()) fail<DataError>("[coco] ", path, ": the file is empty");
  const TextForm form = text_form(json);
  if (*form.encoding != '\0') {
    DecodedText decoded = decode_text(json);
    if (!decoded.problem.empty()) {
      fail<DataError>("[coco] ", path, ": not a usable annotation file: ", decoded.problem);
    }
    const size_t size = decoded.text.size();
    decoded.text.resize(size + kJsonPadding);
    return parse_coco_file(std::string_view(decoded.text).substr(0, size), path, with_mask,
                           complaints);
  }
  json.remove_prefix(form.mark);
  CocoFile out;
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
  bool begun = false;  // before, the document knows of no position
  try {
    document = parser.iterate(json.data(), json.size(), json.size() + kJsonPadding);
    begun = true;
    read_document(document, path, with_mask, out, complaints);
  } catch (const simdjson::simdjson_error& error) {
    const char* at = nullptr;
    std::string position;
    if (begun && document.current_location().get(at) == simdjson::SUCCESS && at >= json.data() &&
        at <= json.data() + json.size()) {
      position =
          " near byte " + std::to_string(at - json.data()) + " of " + std::to_string(json.size());
    }
    const size_t wrong =
        error.error() == simdjson::UTF8_ERROR ? find_not_utf8(json) : std::string_view::npos;
    if (wrong != std::string_view::npos) {
      fail<DataError>("[coco] ", path,
                      ": not a usable annotation file: ", describe_not_utf8(json, wrong),
                      "; save it as UTF-8");
    }
    fail<DataError>("[coco] ", path, ": not a usable annotation file", position, ": ",
                    error.what());
  }
  return out;
}

}  // namespace kestrel
