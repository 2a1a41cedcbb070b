// Files that are not UTF-8: what they say they are in is honoured, what cannot be read is named.
#include <gtest/gtest.h>

#include <kestrel/data/datasets/coco.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/data/datasets/voc.h>
#include <kestrel/data/datasets/voc_file.h>
#include <kestrel/data/datasets/yolo.h>
#include <kestrel/data/datasets/yolo_labels.h>
#include <kestrel/data/file.h>
#include <kestrel/kernels/error.h>
#include <kestrel/tensor/text.h>

#include "support.h"

namespace kestrel {
namespace {

using namespace std::string_literals;
using test::contains;
using test::error_of;
using test::Warnings;

/// The text in UTF-16 or UTF-32 with `width` bytes a character, which are all below 0x10000.
std::string wide(const std::u16string& text, size_t width, bool big_endian) {
  std::string out;
  for (const char16_t c : text) {
    std::string unit(width, '\0');
    unit[big_endian ? width - 1 : 0] = static_cast<char>(c & 0xFF);
    unit[big_endian ? width - 2 : 1] = static_cast<char>(c >> 8);
    out += unit;
  }
  return out;
}

std::string xml_named(const std::string& name, const std::string& declaration = "",
                      const std::string& path = "x") {
  return declaration + "<annotation>\n<path>" + path +
         "</path><size><width>64</width><height>48</height></size>\n<object><name>" + name +
         "</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>30</xmax><ymax>33</ymax></bndbox>"
         "</object></annotation>";
}

std::string declared(const std::string& encoding) {
  return "<?xml version=\"1.0\" encoding=\"" + encoding + "\"?>\n";
}

VocFile parse_text(const std::string& text) {
  return parse_voc_file(std::as_bytes(std::span(text)));
}

TEST(Encodings, VocFilesAreInWhatTheyDeclare) {
  struct Case {
    std::string encoding, bytes, name;
  };
  for (const Case& c :
       {Case{"windows-1252", "caf\xE9", "caf\xC3\xA9"}, Case{"cp1252", "\x80", "\xE2\x82\xAC"},
        Case{"ISO-8859-1", "caf\xE9", "caf\xC3\xA9"}, Case{"GB2312", "\xC3\xA8", "\xE7\x8C\xAB"},
        Case{"gbk", "\x8A\xE4", "\xE5\xA9\x81"}, Case{"Shift_JIS", "\x94\x4C", "\xE7\x8C\xAB"},
        Case{"UTF-8", "caf\xC3\xA9", "caf\xC3\xA9"},
        Case{"utf-16", "caf\xC3\xA9", "caf\xC3\xA9"}}) {  // .NET's strings
    const VocFile file = parse_text(xml_named(c.bytes, declared(c.encoding)));
    EXPECT_EQ(file.problem, "") << c.encoding;
    ASSERT_EQ(file.objects.size(), 1u) << c.encoding;
    EXPECT_EQ(file.objects[0].name, c.name) << c.encoding;
  }
}

TEST(Encodings, VocFilesMayBeUtf16) {
  const std::u16string text = u"<annotation><object><name>caf\u00E9</name></object></annotation>";
  for (const bool big : {false, true}) {
    for (const bool mark : {false, true}) {
      const VocFile file = parse_text(wide((mark ? u"\uFEFF" : u"") + text, 2, big));
      ASSERT_EQ(file.objects.size(), 1u) << big << mark << file.problem;
      EXPECT_EQ(file.objects[0].name, "caf\xC3\xA9");
    }
  }
}

TEST(Encodings, AVocFileWhoseClassCannotBeReadIsNamed) {
  const auto problem = [](const std::string& text) { return parse_text(text).problem; };
  EXPECT_TRUE(contains(problem(xml_named("caf\xE9")),
                       "the name of a class cannot be read: line 3: the byte 0xE9"));
  EXPECT_TRUE(contains(problem(xml_named("caf\xE9", declared("utf-8"))), "line 4: the byte 0xE9"));
  EXPECT_EQ(
      problem(xml_named("\xFF\xFF", declared("gb2312"))),
      "its text cannot be read: line 4: the byte 0xFF at 131 is not GB18030, which it is said "
      "to be in");
  EXPECT_TRUE(contains(problem(xml_named("caf\xE9", declared("klingon"))), "0xE9"));
  // Of a path on another machine nobody needs to know.
  const VocFile file = parse_text(xml_named("cat", "", "C:\\Users\\Andr\xE9\\x.jpg"));
  EXPECT_EQ(file.problem, "");
  ASSERT_EQ(file.objects.size(), 1u);
}

struct VocPair {
  test::TempDir dir;
  VocPair() {
    std::filesystem::create_directories(dir / "JPEGImages");
    dir.write("Annotations/good.xml", xml_named("cat"));
  }
  VocDataset open(const std::string& list, bool strict = false) const {
    return VocDataset({.ann_file = dir.write("list.txt", list),
                       .img_prefix = dir.path().string(),
                       .strict = strict});
  }
};

TEST(Encodings, ClassNamesAreAlwaysUtf8) {
  const VocPair tree;
  tree.dir.write("Annotations/bad.xml", xml_named("caf\xE9"));
  tree.dir.write("Annotations/latin.xml", xml_named("caf\xE9", declared("latin1")));
  const Warnings warnings;
  const VocDataset d = tree.open("good\nbad\nlatin\n");
  EXPECT_EQ(d.size(), 2);
  EXPECT_EQ(d.class_names(), (std::vector<std::string>{"caf\xC3\xA9", "cat"}));
  EXPECT_TRUE(warnings.has({"Annotations/bad.xml: the name of a class cannot be read", "dropped"}));
  const std::string why = error_of<DataError>([&] { tree.open("good\nbad\n", true); });
  EXPECT_TRUE(contains(why, "bad.xml: the name of a class cannot be read: line 3")) << why;
}

TEST(Encodings, WhereNoClassCanBeReadTheReasonIsSaid) {
  const VocPair tree;
  tree.dir.write("Annotations/good.xml", xml_named("caf\xE9"));
  const std::string why = error_of<DataError>([&] { tree.open("good\n"); });
  EXPECT_TRUE(contains(why,
                       "no object of the 1 annotations has a class; 1 cannot be read, the first "
                       "is good.xml: the name of a class cannot be read: line 3"))
      << why;
}

TEST(Encodings, ListsMayBeginWithAByteOrderMark) {
  const VocPair tree;
  tree.dir.write("Annotations/two.xml", xml_named("cat"));
  const Warnings warnings;
  EXPECT_EQ(tree.open("\xEF\xBB\xBFgood\r\ntwo\r\n").size(), 2);
  EXPECT_EQ(tree.open(wide(u"\uFEFFgood\r\ntwo\r\n", 2, false)).size(), 2);
  EXPECT_EQ(tree.open(wide(u"\uFEFFgood\ntwo\n", 2, true)).size(), 2);
  EXPECT_EQ(warnings.count(), 0u);
}

// File names are bytes: those of a list are taken as they are, and shown in a way that is text.
TEST(Encodings, ListsOfNamesThatAreNotUtf8) {
  const VocPair tree;
  tree.dir.write("Annotations/caf\xE9.xml", xml_named("cat"));
  const Warnings warnings;
  EXPECT_EQ(tree.open("good\ncaf\xE9\n").size(), 2);
  EXPECT_EQ(warnings.count(), 0u);
  EXPECT_EQ(tree.open("good\nth\xE9\n").size(), 1);
  EXPECT_TRUE(warnings.has({"th\\xE9.xml: No such file", "the list is not UTF-8"}));
  for (const std::string& text : warnings.texts()) EXPECT_TRUE(is_utf8(text)) << text;
}

const char* kCocoText = R"({"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
  "categories": [{"id": 1, "name": "cafe"}],
  "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]}]})";

TEST(Encodings, CocoFilesInEveryUnicodeForm) {
  const test::TempDir dir;
  std::u16string text;
  for (const char c : std::string(kCocoText)) text += static_cast<char16_t>(c);
  text.replace(text.find(u"cafe"), 4, u"caf\u00E9");
  const std::string utf8 = decode_text(wide(text, 2, false)).text;
  const auto open = [&](const std::string& content) {
    return CocoDataset({.ann_file = dir.write("set.json", content),
                        .img_prefix = dir.path().string(),
                        .test_mode = true});
  };
  const Warnings warnings;
  std::vector<std::string> forms = {utf8, "\xEF\xBB\xBF" + utf8};
  for (const size_t width : {2, 4}) {
    for (const bool big : {false, true}) {
      forms.push_back(wide(text, width, big));
      forms.push_back(wide(u"\uFEFF" + text, width, big));
    }
  }
  for (const std::string& form : forms) {
    const CocoDataset d = open(form);
    EXPECT_EQ(d.class_names(), (std::vector<std::string>{"caf\xC3\xA9"}));
    EXPECT_EQ(d.annotations(0).size(), 1u);
  }
  EXPECT_EQ(warnings.count(), 0u);
}

TEST(Encodings, ACocoFileThatIsNoUnicodeIsNamed) {
  const test::TempDir dir;
  std::string text = kCocoText;
  text.replace(text.find("cafe"), 4, "caf\xE9");
  const auto why = [&](const std::string& content) {
    return error_of<DataError>([&] {
      CocoDataset({.ann_file = dir.write("set.json", content), .img_prefix = dir.path().string()});
    });
  };
  EXPECT_TRUE(contains(why(text), "set.json: not a usable annotation file: line 2: the byte 0xE9"))
      << why(text);
  const std::string cut = wide(u"\uFEFF{\"images\": [", 2, false) + "x";
  EXPECT_TRUE(contains(why(cut), "is not UTF-16LE")) << why(cut);
}

// JSON can escape what is no character.
TEST(Encodings, HalfASurrogatePairIsNoName) {
  const test::TempDir dir;
  const Warnings warnings;
  for (const char* half : {"\\udc00", "x\\ud83d"}) {
    std::string text = kCocoText;
    text.replace(text.find("{\"id\": 1, \"name\""), 0,
                 "{\"id\": 2, \"name\": \"" + std::string(half) + "\"}, ");
    try {
      const CocoDataset d({.ann_file = dir.write("set.json", text),
                           .img_prefix = dir.path().string(),
                           .test_mode = true});
      EXPECT_EQ(d.class_names(), std::vector<std::string>{"cafe"});
      EXPECT_TRUE(warnings.has({"category 2 has no name; dropped"}));
    } catch (const DataError& error) {
      EXPECT_TRUE(contains(error.what(), "set.json: not a usable annotation file")) << error.what();
    }
  }
}

struct YoloPair {
  test::TempDir dir;
  YoloPair() {
    write_png(dir / "images/a.png", test::test_image(48, 64));
    dir.write("labels/a.txt", "0 0.5 0.5 0.2 0.2\n");
  }
  YoloDataset open(const std::string& yaml) const {
    return YoloDataset({.ann_file = dir.write("data.yaml", yaml), .test_mode = true});
  }
};

TEST(Encodings, AYoloYamlThatIsNotUtf8IsNamed) {
  const YoloPair tree;
  const std::string why =
      error_of<DataError>([&] { tree.open("train: images\nval: images\nnames: [caf\xE9]\n"); });
  EXPECT_TRUE(contains(why, "data.yaml: line 3: the byte 0xE9 at 37 is not UTF-8; save it")) << why;
}

TEST(Encodings, AYoloYamlMayBeUtf16) {
  const YoloPair tree;
  const auto d =
      tree.open(wide(u"\uFEFFtrain: images\r\nval: images\r\nnames: [caf\u00E9]\r\n", 2, false));
  EXPECT_EQ(d.class_names(), (std::vector<std::string>{"caf\xC3\xA9"}));
  EXPECT_EQ(tree.open("\xEF\xBB\xBFtrain: images\nval: images\nnames: [a]\n").size(), 1);
}

TEST(Encodings, YoloListsAndLabelsMayBeUtf16) {
  const YoloPair tree;
  tree.dir.write("labels/a.txt", wide(u"\uFEFF0 0.5 0.5 0.2 0.2\r\n", 2, false));
  tree.dir.write("list.txt", "\xEF\xBB\xBF./images/a.png\r\n");
  const Warnings warnings;
  const YoloDataset d = tree.open("train: list.txt\nval: list.txt\nnames: [a]\n");
  ASSERT_EQ(d.size(), 1);
  EXPECT_EQ(d.annotations(0).size(), 1u);
  EXPECT_EQ(warnings.count(), 0u);
  const YoloLabels cut = parse_yolo_labels(
      "\xFF\xFE"
      "0\0 \0x"s,
      {.num_classes = 1});
  EXPECT_EQ(cut.problems.size(), 2u);
  EXPECT_TRUE(contains(cut.problems.back(), "is not UTF-16LE")) << cut.problems.back();
}

TEST(Encodings, AFolderWhoseNameIsNotUtf8IsRefused) {
  const test::TempDir dir;
  for (const std::string name : {"d\xE9/annotations", "good/annotations/\xE9"}) {
    std::filesystem::create_directories(dir / name);
  }
  dir.write("d\xE9/annotations/train.json", kCocoText);
  dir.write("good/annotations/\xE9_train.json", kCocoText);
  dir.write("fine/annotations/train.json", kCocoText);
  write_png(dir / "fine/\xE9/a.png", test::test_image(48, 64));
  for (const std::string name : {"d\xE9", "good", "fine"}) {
    const std::string why = error_of<DataError>([&] { recognise(dir / name, Split::Train); });
    EXPECT_TRUE(contains(why, "\\xE9") && contains(why, "the name is not UTF-8")) << why;
    EXPECT_TRUE(is_utf8(why));
  }
}

}  // namespace
}  // namespace kestrel
