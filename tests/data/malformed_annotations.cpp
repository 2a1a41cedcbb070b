#include <nlohmann/json.hpp>

#include "malformed_cases.h"
#include "support.h"

namespace kestrel::test {
namespace {

using nlohmann::json;

json good_coco() {
  return json::parse(R"({
    "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48},
               {"id": 2, "file_name": "b.png", "width": 64, "height": 48}],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
      {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 6, 20, 10], "area": 200, "iscrowd": 0},
      {"id": 2, "image_id": 2, "category_id": 2, "bbox": [1, 2, 30, 40], "area": 1200,
       "iscrowd": 0}]})");
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? "the test is wrong" : text.replace(at, from.size(), to);
}

/// ASCII in units of so many bytes, the least first, after a byte order mark.
std::string widened(const std::string& text, size_t bytes) {
  const std::string zeros(bytes - 1, '\0');
  std::string out = "\xFF\xFE" + std::string(bytes - 2, '\0');
  for (const char c : text) out += c + zeros;
  return out;
}

std::string voc_file(const std::string& objects,
                     const std::string& size = "<width>64</width><height>48</height>") {
  return "<annotation><filename>bad.png</filename><size>" + size + "</size>" + objects +
         "</annotation>";
}

std::string voc_object(const std::string& x1, const std::string& y1, const std::string& x2,
                       const std::string& y2, const std::string& name = "cat") {
  return "<object><name>" + name + "</name><bndbox><xmin>" + x1 + "</xmin><ymin>" + y1 +
         "</ymin><xmax>" + x2 + "</xmax><ymax>" + y2 + "</ymax></bndbox></object>";
}

}  // namespace

std::vector<MalformedFile> malformed_coco() {
  std::vector<MalformedFile> out;
  const std::string good = good_coco().dump();
  const auto set = [&](const std::string& name, const std::string& pointer,
                       const std::string& value) {
    json file = good_coco();
    file[json::json_pointer(pointer)] = json::parse(value);
    out.push_back({"coco_" + name, file.dump()});
  };
  const auto remove = [&](const std::string& name, const std::string& object,
                          const std::string& key) {
    json file = good_coco();
    (object.empty() ? file : file[json::json_pointer(object)]).erase(key);
    out.push_back({"coco_" + name, file.dump()});
  };
  const auto text = [&](const std::string& name, std::string content) {
    out.push_back({"coco_" + name, std::move(content)});
  };
  text("empty_file", "");
  text("blanks", "  \n\n ");
  text("not_json", "hello");
  text("list", "[1, 2]");
  text("number", "42");
  text("null", "null");
  text("no_keys", "{}");
  for (int i = 1; i <= 6; ++i)
    text("cut_" + std::to_string(i), good.substr(0, good.size() * i / 7));
  text("trailing_comma", replaced(good, "]}", "],}"));
  text("single_quotes", replaced(good, "\"images\"", "'images'"));
  text("bad_utf8", replaced(good, "a.png", "a\xFF\xC0.png"));
  text("byte_order_mark", "\xEF\xBB\xBF" + good);
  text("utf16", widened(good, 2));
  text("utf32", widened(good, 4));
  text("cp1252", replaced(good, "dog", "do\xE9"));
  text("control_character", replaced(good, "a.png", "a\x01.png"));
  text("unfinished_string", replaced(good, "\"a.png\"", "\"a.png"));
  text("deep", "{\"images\": " + std::string(3000, '[') + std::string(3000, ']') + "}");
  remove("no_images", "", "images");
  remove("no_annotations", "", "annotations");
  remove("no_categories", "", "categories");
  set("images_is_number", "/images", "5");
  set("annotations_is_object", "/annotations", "{}");
  set("categories_empty", "/categories", "[]");
  set("images_empty", "/images", "[]");

  remove("image_no_id", "/images/0", "id");
  set("image_id_text", "/images/0/id", R"("1")");
  set("image_id_fraction", "/images/0/id", "1.5");
  set("image_id_twice", "/images/0/id", "2");
  remove("image_no_file_name", "/images/0", "file_name");
  set("image_file_name_number", "/images/0/file_name", "5");
  set("image_is_text", "/images/0", R"("a.png")");
  set("image_is_null", "/images/0", "null");
  set("image_missing_file_no_size", "/images/0",
      R"({"id": 1, "file_name": "nowhere.png", "width": -3})");

  json texts = good_coco();
  for (const char* key :
       {"/images/0/id", "/images/1/id", "/annotations/0/image_id", "/annotations/1/image_id"}) {
    json& id = texts[json::json_pointer(key)];
    id = "image " + id.dump();
  }
  text("all_ids_text", texts.dump());

  set("category_name_twice", "/categories/1/name", R"("cat")");
  remove("category_no_id", "/categories/0", "id");
  remove("category_no_name", "/categories/0", "name");
  set("category_id_twice", "/categories/0/id", "2");
  set("category_is_list", "/categories/0", "[]");

  const std::string a = "/annotations/0";
  set("annotation_is_number", a, "17");
  set("annotation_is_empty", a, "{}");
  remove("annotation_no_id", a, "id");
  set("annotation_id_text", a + "/id", R"("one")");
  set("annotation_id_twice", a + "/id", "2");
  remove("annotation_no_image_id", a, "image_id");
  set("annotation_image_id_text", a + "/image_id", R"("1")");
  set("annotation_unknown_image", a + "/image_id", "77");
  remove("annotation_no_category_id", a, "category_id");
  set("annotation_category_id_list", a + "/category_id", "[1]");
  set("annotation_unknown_category", a + "/category_id", "77");
  remove("annotation_no_bbox", a, "bbox");
  set("bbox_three_numbers", a + "/bbox", "[1, 2, 3]");
  set("bbox_five_numbers", a + "/bbox", "[1, 2, 3, 4, 5]");
  set("bbox_text_inside", a + "/bbox", R"([1, "2", 3, 4])");
  set("bbox_null_inside", a + "/bbox", "[1, null, 3, 4]");
  set("bbox_nested", a + "/bbox", "[[1, 2, 3, 4]]");
  set("bbox_object", a + "/bbox", R"({"x": 1})");
  text("bbox_nan", replaced(good, "[5,6,20,10]", "[5,NaN,20,10]"));
  text("bbox_infinity", replaced(good, "[5,6,20,10]", "[5,Infinity,20,10]"));
  text("bbox_1e999", replaced(good, "[5,6,20,10]", "[5,1e999,20,10]"));
  set("bbox_zero_width", a + "/bbox", "[5, 6, 0, 10]");
  set("bbox_negative_height", a + "/bbox", "[5, 6, 20, -10]");
  set("bbox_half_a_pixel", a + "/bbox", "[5, 6, 0.5, 10]");
  set("bbox_outside", a + "/bbox", "[64, 6, 20, 10]");
  set("bbox_past_the_edge", a + "/bbox", "[50, 6, 20, 10]");
  set("bbox_corners", a + "/bbox", "[30, 20, 60, 40]");
  set("bbox_above", a + "/bbox", "[5, -60, 20, 10]");
  set("bbox_huge", a + "/bbox", "[1e300, 1e300, 1e300, 1e300]");
  set("area_zero", a + "/area", "0");
  set("area_negative", a + "/area", "-5");
  return out;
}

std::vector<MalformedFile> malformed_voc() {
  const std::string good = voc_object("5", "6", "30", "40");
  const std::string file = voc_file(good);
  const auto box = [&](const std::string& x1, const std::string& y1, const std::string& x2,
                       const std::string& y2) {
    return voc_file(good + voc_object(x1, y1, x2, y2));
  };
  return {
      {"voc_empty_file", ""},
      {"voc_not_xml", "hello"},
      {"voc_cut_1", file.substr(0, file.size() / 4)},
      {"voc_cut_2", file.substr(0, file.size() / 2)},
      {"voc_cut_3", file.substr(0, file.size() - 5)},
      {"voc_other_root", "<html></html>"},
      {"voc_crossed_tags", "<annotation><size></annotation></size>"},
      {"voc_json", R"({"annotation": {}})"},
      {"voc_entities", "<!DOCTYPE a [<!ENTITY b \"&c;&c;\"><!ENTITY c \"xx\">]><annotation>&b;"},
      {"voc_zeros", std::string(100, '\0')},
      {"voc_utf16", std::string("\xFF\xFE<\0a\0>\0", 8)},
      {"voc_utf16_whole", widened(file, 2)},
      {"voc_cp1252_declared", "<?xml version=\"1.0\" encoding=\"windows-1252\"?>" +
                                  voc_file(voc_object("5", "6", "30", "40", "caf\xE9"))},
      {"voc_gb2312_declared", "<?xml version=\"1.0\" encoding=\"GB2312\"?>" +
                                  voc_file(voc_object("5", "6", "30", "40", "\xC3\xA8"))},
      {"voc_path_not_utf8", voc_file("<path>/home/andr\xE9/x.png</path>" + good)},
      {"voc_name_not_utf8", voc_file(good + voc_object("5", "6", "30", "40", "caf\xE9"))},
      {"voc_name_not_as_declared", "<?xml version=\"1.0\" encoding=\"utf-8\"?>" +
                                       voc_file(voc_object("5", "6", "30", "40", "caf\xE9"))},
      {"voc_past_the_edge", box("40", "1", "90", "9")},
      {"voc_no_name", voc_file(good + voc_object("1", "1", "9", "9", ""))},
      {"voc_no_box", voc_file(good + "<object><name>cat</name></object>")},
      {"voc_box_empty", voc_file(good + "<object><name>cat</name><bndbox/></object>")},
      {"voc_text_number", box("a", "1", "9", "9")},
      {"voc_half_number", box("1", "1", "9px", "9")},
      {"voc_nan", box("nan", "1", "9", "9")},
      {"voc_infinity", box("1", "1", "inf", "9")},
      {"voc_1e999", box("1", "1", "1e999", "9")},
      {"voc_empty_number", box("1", "", "9", "9")},
      {"voc_comma", box("1,5", "1", "9", "9")},
      {"voc_zero_width", box("9", "1", "9", "9")},
      {"voc_reversed_x", box("20", "1", "9", "9")},
      {"voc_reversed_y", box("1", "20", "9", "9")},
      {"voc_outside_right", box("70", "1", "90", "9")},
      {"voc_outside_below", box("1", "60", "9", "90")},
      {"voc_negative", box("-20", "1", "-3", "9")},
      {"voc_huge", box("1e300", "1", "2e300", "9")},
  };
}

std::vector<MalformedFile> malformed_yolo() {
  const std::string good = "0 0.5 0.5 0.2 0.2\n";
  return {
      {"yolo_4_numbers", good + "0 0.5 0.5 0.1\n"},
      {"yolo_6_numbers", good + "0 0.5 0.5 0.1 0.1 0.9\n"},
      {"yolo_8_numbers", good + "0 0.1 0.1 0.2 0.2 0.3 0.3 0.4\n"},
      {"yolo_only_class", good + "0\n"},
      {"yolo_text", good + "cat 0.5 0.5 0.1 0.1\n"},
      {"yolo_nan", good + "0 nan 0.5 0.1 0.1\n"},
      {"yolo_infinity", good + "0 inf 0.5 0.1 0.1\n"},
      {"yolo_1e999", good + "0 1e999 0.5 0.1 0.1\n"},
      {"yolo_comma", good + "0,0.5,0.5,0.1,0.1\n"},
      {"yolo_decimal_comma", good + "0 0,5 0,5 0,1 0,1\n"},
      {"yolo_bad_utf8", good + "0 0.5 \xFF\xC0 0.1 0.1\n"},
      {"yolo_utf16", std::string("\xFF\xFE"
                                 "0\0 \0",
                                 6)},
      {"yolo_byte_order_mark", "\xEF\xBB\xBF" + good},
      {"yolo_utf16_whole", widened(good, 2)},
      {"yolo_past_the_edge", good + "0 0.95 0.5 0.2 0.2\n"},
      {"yolo_zeros", good + std::string(40, '\0')},
      {"yolo_html", good + "<html><body>404</body></html>\n"},
      {"yolo_class_2", good + "2 0.5 0.5 0.1 0.1\n"},
      {"yolo_class_negative", good + "-1 0.5 0.5 0.1 0.1\n"},
      {"yolo_class_fraction", good + "0.5 0.5 0.5 0.1 0.1\n"},
      {"yolo_class_huge", good + "1e300 0.5 0.5 0.1 0.1\n"},
      {"yolo_pixels", good + "0 32 24 10 10\n"},
      {"yolo_over_1", good + "0 0.5 0.5 1.2 0.1\n"},
      {"yolo_negative_x", good + "0 -0.1 0.5 0.1 0.1\n"},
      {"yolo_negative_width", good + "0 0.5 0.5 -0.1 0.1\n"},
      {"yolo_zero_width", good + "0 0.5 0.5 0 0.1\n"},
      {"yolo_zero_height", good + "0 0.5 0.5 0.1 0\n"},
      {"yolo_flat_polygon", good + "0 0.1 0.1 0.1 0.5 0.1 0.9\n"},
      {"yolo_polygon_over_1", good + "0 0.1 0.1 5 0.5 0.1 0.9\n"},
      {"yolo_repeated", good + good},
  };
}

std::vector<MalformedFile> malformed_yaml() {
  const std::string parts = "train: images\nval: images\n", names = "names: [cat, dog]\n";
  return {
      {"yaml_empty", ""},
      {"yaml_list", "- a\n"},
      {"yaml_not_yaml", "{"},
      {"yaml_bad_utf8", parts + "names: [\xFF\xFE]\n"},
      {"yaml_control_character", parts + names + "\x01"},
      {"yaml_kpt_shape", parts + names + "kpt_shape: [17]\n"},
      {"yaml_byte_order_mark", "\xEF\xBB\xBF" + parts + names},
      {"yaml_missing_test", parts + names + "test: nowhere\n"},
      {"yaml_no_names", parts},
      {"yaml_names_text", parts + "names: cat\n"},
      {"yaml_names_empty", parts + "names: []\n"},
      {"yaml_names_gap", parts + "names: {0: a, 2: b}\n"},
      {"yaml_names_text_key", parts + "names: {cat: 0}\n"},
      {"yaml_nc", parts + names + "nc: 5\n"},
      {"yaml_no_train", names},
      {"yaml_missing_folder", "train: nowhere\n" + names},
      {"yaml_missing_path", "path: /nowhere\n" + parts + names},
      {"yaml_no_images", "train: labels\n" + names},
  };
}

}  // namespace kestrel::test
