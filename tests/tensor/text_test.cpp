#include <gtest/gtest.h>

#include <string>

#include <kestrel/tensor/text.h>

namespace kestrel {
namespace {

using namespace std::string_literals;

TEST(Text, FindsTheFirstByteThatIsNotUtf8) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("plain, \xC3\xA9, \xE7\x8C\xAB, \xF0\x9F\x90\x88\0x"s));
  struct Case {
    std::string text;
    size_t at;
  };
  for (const Case& bad : {Case{"ab\xE9", 2}, Case{"\xC3", 0}, Case{"a\xC0\x80", 1},
                          Case{"\xED\xA0\x80", 0}, Case{"x\xF4\x90\x80\x80", 1},
                          Case{"\xE0\x80\x80", 0}, Case{"\xC3\xA9\xFF", 2}, Case{"a\x80", 1}}) {
    EXPECT_EQ(find_not_utf8(bad.text), bad.at) << escape_not_utf8(bad.text);
  }
}

TEST(Text, ByteOrderMarksAreNoText) {
  const std::string e = "n\xC3\xA9\xF0\x9F\x90\x88";
  EXPECT_EQ(decode_text("\xEF\xBB\xBF" + e).text, e);
  EXPECT_EQ(decode_text("\xFF\xFEn\0\xE9\0\x3D\xD8\x08\xDC"s).text, e);
  EXPECT_EQ(decode_text("\xFE\xFF\0n\0\xE9\xD8\x3D\xDC\x08"s).text, e);
  EXPECT_EQ(decode_text("\xFF\xFE\0\0n\0\0\0\xE9\0\0\0\x08\xF4\x01\0"s).text, e);
  EXPECT_EQ(decode_text("\0\0\xFE\xFF\0\0\0n\0\0\0\xE9\0\x01\xF4\x08"s).text, e);
  // The mark is stronger than what the text says of itself.
  EXPECT_EQ(decode_text("\xEF\xBB\xBF" + e, "windows-1252").text, e);
}

TEST(Text, Utf16And32AreSeenByTheirZeros) {
  EXPECT_EQ(decode_text("{\0\"\0\xE9\0"s).text, "{\"\xC3\xA9");
  EXPECT_EQ(decode_text("\0{\0\"\0\xE9"s).text, "{\"\xC3\xA9");
  EXPECT_EQ(decode_text("{\0\0\0\"\0\0\0"s).text, "{\"");
  EXPECT_EQ(decode_text("\0\0\0{\0\0\0\""s).text, "{\"");
  EXPECT_EQ(decode_text("\0\0\0\0"s).text, "\0\0\0\0"s);
}

TEST(Text, DeclaredEncodingsAreHonoured) {
  EXPECT_EQ(decode_text("caf\xE9 \x80", "cp1252").text, "caf\xC3\xA9 \xE2\x82\xAC");
  EXPECT_EQ(decode_text("caf\xE9 \x80", "Windows-1252").text, "caf\xC3\xA9 \xE2\x82\xAC");
  EXPECT_EQ(decode_text("caf\xE9 \x80", "iso-8859-1").text, "caf\xC3\xA9 \xE2\x82\xAC");
  EXPECT_EQ(decode_text("\xC3\xA8", "gb2312").text, "\xE7\x8C\xAB");  // a cat
  EXPECT_EQ(decode_text("\x94\x4C", "Shift_JIS").text, "\xE7\x8C\xAB");
  EXPECT_EQ(decode_text("\xBF\xDF", "big5").text, "\xE8\xB2\x93");
  EXPECT_EQ(decode_text("\xB0\xED", "euc-kr").text, "\xEA\xB3\xA0");
  EXPECT_EQ(decode_text("\xEA\xEE\xF2", "windows-1251").text, "\xD0\xBA\xD0\xBE\xD1\x82");
  EXPECT_EQ(decode_text("\xA4", "ISO8859-15").text, "\xE2\x82\xAC");
  // Of programs that save their strings as UTF-8 and say what they are in memory.
  EXPECT_EQ(decode_text("\xC3\xA9", "utf-16").text, "\xC3\xA9");
  EXPECT_EQ(decode_text("\xC3\xA9", "utf-8").problem, "");
}

TEST(Text, WhatCannotBeDecodedIsNamed) {
  EXPECT_EQ(decode_text("a\nb\xE9\n").problem, "line 2: the byte 0xE9 at 3 is not UTF-8");
  EXPECT_EQ(decode_text("a\nb\xE9\n").text, "a\nb\xE9\n");  // all is there for who wants it
  EXPECT_EQ(decode_text("a\nb\xE9\n", "utf-8").problem, "line 2: the byte 0xE9 at 3 is not UTF-8");
  EXPECT_EQ(decode_text("\xFF\xFE"
                        "a\0\n\0b"s)
                .problem,
            "line 2: the byte 0x62 at 6 is not UTF-16LE, which it is said to be in");
  EXPECT_EQ(decode_text("\n\xFF\xFF", "gb2312").problem,
            "line 2: the byte 0xFF at 1 is not GB18030, which it is said to be in");
  EXPECT_EQ(decode_text("\xE9", "klingon").problem,
            "the encoding 'klingon' is not known; save the file as UTF-8");
  EXPECT_EQ(decode_text("plain", "klingon").problem, "");
}

TEST(Text, EscapesOnlyWhatIsNotUtf8) {
  EXPECT_EQ(escape_not_utf8("caf\xC3\xA9 caf\xE9\xFF"), "caf\xC3\xA9 caf\\xE9\\xFF");
  EXPECT_TRUE(is_utf8(escape_not_utf8("\x80\xC3")));
}

TEST(Text, LongTextsAreDecodedWhole) {
  std::string bytes, text;
  for (int i = 0; i < 10000; ++i) {
    bytes += "\xC3\xA8";
    text += "\xE7\x8C\xAB";
  }
  EXPECT_EQ(decode_text(bytes, "gbk").text, text);
}

}  // namespace
}  // namespace kestrel
