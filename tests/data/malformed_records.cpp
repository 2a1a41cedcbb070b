#include "malformed_cases.h"

namespace kestrel::test {
namespace {

std::string labelme(
    const std::string& shape,
    const std::string& rest = R"("imagePath": "bad.png", "imageWidth": 64, "imageHeight": 48)") {
  return "{\"shapes\": [" + shape + "], " + rest + "}";
}

std::string shape(const std::string& points, const std::string& type = "polygon") {
  return R"({"label": "cat", "points": )" + points + R"(, "shape_type": ")" + type + "\"}";
}

std::string cvat(const std::string& objects) {
  return "<annotations><meta><task><labels><label><name>cat</name></label></labels></task></meta>"
         "<image id=\"0\" name=\"a.png\" width=\"64\" height=\"48\"><box label=\"cat\" xtl=\"1\" "
         "ytl=\"2\" xbr=\"30\" ybr=\"40\"/></image><image id=\"1\" name=\"b.png\" width=\"64\" "
         "height=\"48\">" +
         objects + "</image></annotations>";
}

std::string csv(const std::string& line) {
  return "filename,xmin,ymin,xmax,ymax,class\na.png,1,2,30,40,cat\n" + line + "\n";
}

std::string middle(const std::string& ann) {
  return R"([{"filename": "a.png", "width": 64, "height": 48,
              "ann": {"bboxes": [[1, 2, 30, 40]], "labels": [0]}},
             {"filename": "b.png", "width": 64, "height": 48, "ann": )" +
         ann + "}]";
}

}  // namespace

std::vector<MalformedFile> malformed_labelme() {
  const std::string polygon = shape("[[1, 2], [30, 2], [30, 40]]");
  return {{"labelme_byte_order_mark", "\xEF\xBB\xBF" + labelme(polygon)},
          {"labelme_empty", ""},
          {"labelme_cut", labelme(polygon).substr(0, 60)},
          {"labelme_text_point", labelme(shape(R"([["a", 2], [30, 2], [30, 40]])"))},
          {"labelme_no_label", labelme(R"({"points": [[1, 2], [30, 2], [30, 40]]})")},
          {"labelme_coco", R"({"images": [], "annotations": []})"},
          {"labelme_no_path", labelme(polygon, "\"imageWidth\": 64")},
          {"labelme_one_number", labelme(shape("[[1], [30, 2], [30, 40]]"))},
          {"labelme_point", labelme(shape("[[1, 2]]", "point"))},
          {"labelme_two_points", labelme(shape("[[1, 2], [3, 4]]"))},
          {"labelme_outside", labelme(shape("[[100, 2], [130, 2], [130, 40]]"))},
          {"labelme_missing_picture", labelme(polygon, R"("imagePath": "none.png")")}};
}

std::vector<MalformedFile> malformed_cvat() {
  return {
      {"cvat_not_xml", "annotations"},
      {"cvat_cut", cvat("").substr(0, 90)},
      {"cvat_other_root", "<annotation><object/></annotation>"},
      {"cvat_track", "<annotations><track id=\"0\" label=\"cat\"/></annotations>"},
      {"cvat_text_number", cvat("<box label=\"cat\" xtl=\"a\" ytl=\"2\" xbr=\"30\" ybr=\"40\"/>")},
      {"cvat_nan", cvat("<box label=\"cat\" xtl=\"nan\" ytl=\"2\" xbr=\"30\" ybr=\"40\"/>")},
      {"cvat_two_points", cvat("<polygon label=\"cat\" points=\"1,2;3,4\"/>")},
      {"cvat_points", cvat("<points label=\"cat\" points=\"1,2\"/>")},
      {"cvat_unlisted", cvat("<box label=\"dog\" xtl=\"1\" ytl=\"2\" xbr=\"30\" ybr=\"40\"/>")},
      {"cvat_reversed", cvat("<box label=\"cat\" xtl=\"30\" ytl=\"2\" xbr=\"1\" ybr=\"40\"/>")}};
}

std::vector<MalformedFile> malformed_csv() {
  return {{"csv_quoted", csv("\"b.png\",1,2,30,40,\"cat\"")},
          {"csv_picture_alone", csv("b.png,,,,,")},
          {"csv_empty", ""},
          {"csv_other_columns", "a,b,c\n1,2,3\n"},
          {"csv_text_number", csv("b.png,x,2,30,40,cat")},
          {"csv_short", csv("b.png,1,2")},
          {"csv_no_class", csv("b.png,1,2,30,40,")},
          {"csv_no_file", csv(",1,2,30,40,cat")},
          {"csv_reversed", csv("b.png,30,2,1,40,cat")}};
}

std::vector<MalformedFile> malformed_middle() {
  return {{"middle_object", "{\"images\": []}"},
          {"middle_cut", middle("{}").substr(0, 60)},
          {"middle_no_filename", "[{\"width\": 64}]"},
          {"middle_text_box", middle(R"({"bboxes": [["a", 2, 3, 4]], "labels": [0]})")},
          {"middle_boxes_number", middle(R"({"bboxes": 7, "labels": [0]})")},
          {"middle_three_numbers", middle(R"({"bboxes": [[1, 2, 3]], "labels": [0]})")},
          {"middle_no_label", middle(R"({"bboxes": [[1, 2, 30, 40]], "labels": []})")},
          {"middle_label_9", middle(R"({"bboxes": [[1, 2, 30, 40]], "labels": [9]})")},
          {"middle_outside", middle(R"({"bboxes": [[100, 2, 130, 40]], "labels": [0]})")}};
}

}  // namespace kestrel::test
