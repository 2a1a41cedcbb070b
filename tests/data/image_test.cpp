#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include <kestrel/data/image.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using test::contains;
using test::error_of;

int max_difference(const Image& a, const Image& b) {
  if (a.height != b.height || a.width != b.width) return 256;
  int most = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) {
    most = std::max(most, std::abs(int{a.pixels[i]} - int{b.pixels[i]}));
  }
  return most;
}

TEST(Image, DecodesEveryKindAsOpenCvDoes) {
  const auto decode_cases = test::golden("images.json").at("decode");
  for (const auto& entry : decode_cases) {
    const auto name = entry.at("name").get<std::string>();
    const auto file = test::from_base64(entry.at("file").get<std::string>());
    const Image expected = test::image_of(entry);
    const Image got = decode_image(file, name);
    // OpenCV may have another libjpeg, whose colour conversion rounds differently.
    EXPECT_LE(max_difference(got, expected), contains(name, ".jpg") ? 2 : 0) << name;
  }
}

TEST(Image, SizeIsThatOfThePictureWithoutDecodingIt) {
  const test::TempDir dir;
  const auto decode_cases = test::golden("images.json").at("decode");
  for (const auto& entry : decode_cases) {
    const auto name = entry.at("name").get<std::string>();
    const auto file = test::from_base64(entry.at("file").get<std::string>());
    const auto path = dir.write(name, {reinterpret_cast<const char*>(file.data()), file.size()});
    const ImageSize size = read_image_size(path);
    EXPECT_EQ(size.height, entry.at("height").get<int64_t>()) << name;
    EXPECT_EQ(size.width, entry.at("width").get<int64_t>()) << name;
    EXPECT_EQ(read_image(path), decode_image(file, name)) << name;
  }
}

TEST(Image, PngIsLosslessAndJpegNearlySo) {
  for (const auto& [h, w] : {std::pair{1, 1}, {1, 40}, {33, 17}, {64, 64}}) {
    const Image image = test::test_image(h, w);
    EXPECT_EQ(decode_image(encode_png(image), "a.png"), image);
    EXPECT_LE(max_difference(decode_image(encode_jpeg(image, 100), "a.jpg"), image), 6);
  }
}

TEST(Image, WritesByTheExtension) {
  const test::TempDir dir;
  const Image image = test::test_image(8, 9);
  write_image(dir / "new/folder/a.png", image);
  EXPECT_EQ(read_image(dir / "new/folder/a.png"), image);
  write_image(dir / "a.jpg", image);
  EXPECT_EQ(read_image(dir / "a.jpg").width, 9);
  EXPECT_TRUE(contains(error_of<UsageError>([&] { write_image(dir / "a.gif", image); }), ".gif"));
  EXPECT_THROW(encode_png(Image()), Error);
}

// A cut file is an error that names it, or (for text after the last pixel) the image.
TEST(Image, EveryTruncationIsAnErrorOrAnImage) {
  const auto decode_cases = test::golden("images.json").at("decode");
  for (const auto& entry : decode_cases) {
    const auto name = entry.at("name").get<std::string>();
    const auto file = test::from_base64(entry.at("file").get<std::string>());
    size_t errors = 0;
    for (size_t size = 0; size < file.size(); ++size) {
      // In memory of exactly that size, so that a sanitizer sees what is read beyond.
      const std::vector<std::byte> part(file.begin(), file.begin() + static_cast<long>(size));
      try {
        decode_image(part, name);
      } catch (const DataError& error) {
        ++errors;
        EXPECT_TRUE(contains(error.what(), name)) << error.what();
      }
    }
    if (contains(name, ".jpg") || contains(name, ".png")) {
      EXPECT_GE(errors, file.size() - 16) << name;
    }
  }
}

TEST(Image, DamagedBytesNeverCrash) {
  std::mt19937 random(7);
  const auto decode_cases = test::golden("images.json").at("decode");
  for (const auto& entry : decode_cases) {
    const auto name = entry.at("name").get<std::string>();
    const auto file = test::from_base64(entry.at("file").get<std::string>());
    for (int round = 0; round < 200; ++round) {
      auto damaged = file;
      for (int k = 0; k < 1 + round % 8; ++k) {
        damaged[random() % damaged.size()] = static_cast<std::byte>(random());
      }
      try {
        decode_image(damaged, name);
      } catch (const DataError&) {
      }
    }
  }
}

TEST(Image, SaysWhyAFileIsNotUsable) {
  const test::TempDir dir;
  const auto why = [&](const std::string& name) {
    return error_of<DataError>([&] { read_image(dir / name); });
  };
  EXPECT_TRUE(contains(why("none.jpg"), "none.jpg: No such file"));
  dir.write("empty.jpg", "");
  EXPECT_TRUE(contains(why("empty.jpg"), "empty.jpg: the file is empty"));
  dir.write("text.jpg", "hello, I am a text of some length and no picture");
  EXPECT_TRUE(contains(why("text.jpg"), "text.jpg: not a usable"));
  std::filesystem::create_directory(dir / "folder.jpg");
  EXPECT_TRUE(contains(why("folder.jpg"), "is a directory"));
  const auto jpeg = encode_jpeg(test::test_image(64, 64));
  dir.write("cut.jpg", {reinterpret_cast<const char*>(jpeg.data()), jpeg.size() / 2});
  EXPECT_TRUE(contains(why("cut.jpg"), "cut.jpg: the file is cut short")) << why("cut.jpg");
}

TEST(Image, RefusesSizesThatNoPictureHas) {
  // A bitmap header and a PNM header that claim terabytes.
  std::string bmp("BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", 18);
  bmp += std::string("\xFF\xFF\0\0\xFF\xFF\0\0\x01\0\x18\0", 12) + std::string(24, '\0');
  const auto why = [](const std::string& text) {
    return error_of<DataError>([&] { decode_image(std::as_bytes(std::span(text)), "huge"); });
  };
  EXPECT_TRUE(contains(why(bmp), "huge"));
  EXPECT_TRUE(contains(why("P6 100000 100000 255 "), "huge"));
  EXPECT_TRUE(contains(why("P6 16384 16384 255 abc"), "huge"));
  // A PNG whose header says 2^19 x 2^19.
  auto png = encode_png(test::test_image(4, 4));
  for (const size_t at : {16, 20}) {
    png[at] = std::byte{0};
    png[at + 1] = std::byte{8};
    png[at + 2] = png[at + 3] = std::byte{0};
  }
  EXPECT_THROW(decode_image(png, "huge.png"), DataError);
}

}  // namespace
}  // namespace kestrel
