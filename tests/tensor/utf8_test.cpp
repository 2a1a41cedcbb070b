#include <kestrel/tensor/utf8.h>

#include <gtest/gtest.h>

namespace kestrel {
namespace {

TEST(Utf8, InvalidBytesAreFound) {
  for (const char* valid : {"", "cat", "größer ∞", "猫", "😀", "\xEF\xBF\xBF", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(find_invalid_utf8(valid), std::string_view::npos) << valid;
  }
  const std::pair<const char*, size_t> wrong[] = {{"caf\xE9", 3},
                                                  {"\x80", 0},
                                                  {"a\xC0\x80", 1},
                                                  {"\xE2\x88", 0},
                                                  {"\xE0\x80\x80", 0},
                                                  {"\xED\xA0\x80", 0},
                                                  {"ab\xFF", 2},
                                                  {"\xF0\x80\x80\x80", 0},
                                                  {"\xF4\x90\x80\x80", 0},
                                                  {"\xB9\xB7\xB3\xB5", 0},
                                                  {"\xC3", 0}};
  for (const auto& [text, place] : wrong) EXPECT_EQ(find_invalid_utf8(text), place) << text;
}

TEST(Utf8, JsonKeepsWhatIsValidAndShowsTheRest) {
  EXPECT_EQ(escape_invalid_utf8_in_json("[\"größer\"]"), "[\"größer\"]");
  EXPECT_EQ(escape_invalid_utf8_in_json("[\"caf\xE9\"]"), "[\"caf\\\\xe9\"]");
}

}  // namespace
}  // namespace kestrel
