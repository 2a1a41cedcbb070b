// WebP, TIFF, PNM, and orientation in PNG and others, against Pillow's reading.
#include <gtest/gtest.h>

#include <algorithm>

#include <kestrel/data/image.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using test::contains;
using test::error_of;

int largest_difference(const Image& a, const Image& b) {
  if (a.height != b.height || a.width != b.width) return 256;
  int most = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) {
    most = std::max(most, std::abs(int{a.pixels[i]} - int{b.pixels[i]}));
  }
  return most;
}

TEST(ImageFormats, EveryKindIsThePictureThatPillowReads) {
  const test::TempDir dir;
  const auto cases = test::golden("image_formats.json").at("decode");
  EXPECT_GE(cases.size(), 45U);
  for (const auto& entry : cases) {
    const auto name = entry.at("name").get<std::string>();
    SCOPED_TRACE(name);
    const auto file = test::from_base64(entry.at("file").get<std::string>());
    const Image expected = test::image_of(entry);
    const auto path = dir.write(name, {reinterpret_cast<const char*>(file.data()), file.size()});
    EXPECT_LE(largest_difference(read_image(path), expected), entry.at("most").get<int>());
    const ImageSize size = read_image_size(path);
    EXPECT_EQ(size.height, expected.height);
    EXPECT_EQ(size.width, expected.width);
    EXPECT_TRUE(has_picture_name(path));
  }
}

// The size of a file is read from its start; what turns it may lie far behind.
TEST(ImageFormats, OrientationBehindManyPixelsCountsForTheSize) {
  const test::TempDir dir;
  Image noise(300, 200);
  uint32_t state = 1;
  for (uint8_t& value : noise.pixels)
    value = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  const auto png = encode_png(noise);
  ASSERT_GT(png.size(), size_t{100} << 10);
  std::string text(reinterpret_cast<const char*>(png.data()), png.size());
  const auto cases = test::golden("image_formats.json").at("decode");
  for (const auto& entry : cases) {
    if (entry.at("name") != "orientation6.last.png") continue;
    const auto file = test::from_base64(entry.at("file").get<std::string>());
    const std::string turned(reinterpret_cast<const char*>(file.data()), file.size());
    const size_t begin = turned.find("eXIf") - 4;
    text.insert(text.size() - 12, turned.substr(begin, turned.size() - 12 - begin));
  }
  const auto path = dir.write("large.png", text);
  EXPECT_EQ(read_image_size(path).width, 300);
  EXPECT_EQ(read_image(path).height, 200);
}

TEST(ImageFormats, CutAndDamagedFilesAreErrorsOrPictures) {
  const auto cases = test::golden("image_formats.json").at("decode");
  for (const auto& entry : cases) {
    const auto name = entry.at("name").get<std::string>();
    const auto file = test::from_base64(entry.at("file").get<std::string>());
    const auto attempt = [&](const std::vector<std::byte>& bytes) {
      try {
        decode_image(bytes, name);
      } catch (const DataError& error) {
        EXPECT_TRUE(contains(error.what(), name)) << error.what();
      }
    };
    for (size_t size = 0; size < file.size(); size += 1 + file.size() / 150) {
      attempt({file.begin(), file.begin() + static_cast<long>(size)});
    }
    uint32_t state = 5;
    for (int round = 0; round < 60; ++round) {
      auto damaged = file;
      for (int k = 0; k <= round % 5; ++k) {
        state = state * 1664525 + 1013904223;
        damaged[(state >> 8) % damaged.size()] = static_cast<std::byte>(state >> 3);
      }
      attempt(damaged);
    }
  }
}

TEST(ImageFormats, KindsThatAreNotReadAreNamed) {
  const auto why = [](std::string text) {
    text.resize(std::max<size_t>(text.size(), 80), '\0');
    return error_of<DataError>([&] { decode_image(std::as_bytes(std::span(text)), "x"); });
  };
  using std::string_literals::operator""s;
  for (const auto& [bytes, kind] : {std::pair("\0\0\0\x18"
                                              "ftypheic\0\0\0\0"s,
                                              "a HEIC picture"),
                                    {"\0\0\0\x18"
                                     "ftypmif1\0\0\0\0"s,
                                     "a HEIC picture"},
                                    {"\0\0\0\x1c"
                                     "ftypavif\0\0\0\0"s,
                                     "an AVIF picture"},
                                    {"GIF89a\1\0\1\0"s, "a GIF"},
                                    {"\0\0\0\x0cjP  \r\n\x87\n"s, "a JPEG 2000 picture"},
                                    {"\xFF\x0A\0\0"s, "a JPEG XL picture"},
                                    {"8BPS\0\1"s, "a Photoshop file"},
                                    {"P7\nWIDTH 3\n"s, "a PAM or PFM picture"}}) {
    EXPECT_TRUE(contains(why(bytes), kind)) << why(bytes);
    EXPECT_TRUE(contains(why(bytes), "convert it to JPEG or PNG")) << why(bytes);
  }
  for (const char* name : {"a.HEIC", "b.avif", "c.gif", "d.jp2", "e.cr2"}) {
    EXPECT_TRUE(has_unread_picture_name(name)) << name;
    EXPECT_FALSE(has_picture_name(name)) << name;
  }
  EXPECT_FALSE(has_unread_picture_name("notes.txt"));
}

TEST(ImageFormats, PnmThatIsNotOneSaysWhy) {
  const auto why = [](const std::string& text) {
    return error_of<DataError>([&] { decode_image(std::as_bytes(std::span(text)), "x.ppm"); });
  };
  EXPECT_TRUE(contains(why("P3\n2 2\n255\n1 2 3"), "cut short")) << why("P3\n2 2\n255\n1 2 3");
  EXPECT_TRUE(contains(why("P3\n1 1\n255\n1 x 3 4 5 6"), "no number"));
  EXPECT_TRUE(contains(why("P2\n1 1\n70000\n1 "), "1 to 65535"));
  EXPECT_TRUE(contains(why("P1\n2 2\n0 1 2 0 "), "neither 0 nor 1"));
  EXPECT_TRUE(contains(why("P6\n40000 40000\n255\n"), "not possible"));
}

}  // namespace
}  // namespace kestrel
