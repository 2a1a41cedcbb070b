#include <kestrel/tensor/safetensors.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>

#include <gtest/gtest.h>

#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

class SafetensorsFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("kestrel_safetensors_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string bytes_of(const Safetensors& contents) {
    write_safetensors(folder_ / "file.safetensors", contents);
    std::ifstream file(folder_ / "file.safetensors", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path folder_;
};

std::string safetensors_error_of(std::string_view bytes) {
  try {
    parse_safetensors(std::as_bytes(std::span(bytes)), "some/file.safetensors");
  } catch (const ModelFileError& error) {
    return error.what();
  }
  return "no error";
}

/// A file with this header and payload, as another program would write it.
std::string file_of(const std::string& header, size_t payload) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header +
         std::string(payload, '\0');
}

Safetensors example() {
  std::vector<float> numbers(12);
  std::iota(numbers.begin(), numbers.end(), -4.0F);
  Safetensors contents;
  contents.tensors = {{"b.weight", Tensor::from(numbers, {3, 4})},
                      {"a \"quoted\" name", Tensor::full({3}, 1, DType::Bool)},
                      {"misplaced", Tensor::full({2}, 0.25, DType::Float64)},
                      {"empty", Tensor::zeros({0, 7}, DType::Int64)},
                      {"half", Tensor::full({}, 3, DType::Float16)}};
  contents.metadata = {{"epoch", "3"}, {"text", "größer\n"}};
  return contents;
}

TEST_F(SafetensorsFiles, ReadsWhatItWrote) {
  const Safetensors contents = example();
  bytes_of(contents);
  const Safetensors read = read_safetensors(folder_ / "file.safetensors");
  EXPECT_EQ(read.metadata, contents.metadata) << "checksums are not for the reader";
  ASSERT_EQ(read.tensors.size(), contents.tensors.size());
  for (size_t i = 0; i < read.tensors.size(); ++i) {
    const auto& [name, tensor] = contents.tensors[i];
    EXPECT_EQ(read.tensors[i].first, name);
    EXPECT_EQ(read.tensors[i].second.dtype(), tensor.dtype());
    ASSERT_EQ(read.tensors[i].second.shape(), tensor.shape());
    EXPECT_EQ(tensor.bytes() == 0 ||
                  std::memcmp(read.tensors[i].second.raw(), tensor.raw(), tensor.bytes()) == 0,
              true);
  }
  EXPECT_EQ(fs::exists(folder_ / "file.safetensors.part"), false);
}

TEST_F(SafetensorsFiles, EqualContentsGiveEqualFiles) {
  EXPECT_EQ(bytes_of(example()), bytes_of(example()));
}

TEST_F(SafetensorsFiles, FilesWithoutChecksumsAreRead) {
  const std::string header =
      R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"format":"pt"}})";
  EXPECT_EQ(safetensors_error_of(file_of(header, 8)), "no error");
}

TEST_F(SafetensorsFiles, AFileCannotBeWrittenTwiceAtOnceByHalves) {
  bytes_of(example());
  fs::create_directories(folder_ / "file.safetensors.part");  // so that writing fails
  Safetensors other = example();
  other.metadata["epoch"] = "4";
  EXPECT_THROW(write_safetensors(folder_ / "file.safetensors", other), ModelFileError);
  EXPECT_EQ(read_safetensors(folder_ / "file.safetensors").metadata.at("epoch"), "3");
  EXPECT_THROW(write_safetensors(folder_ / "no/folder.safetensors", other), ModelFileError);
  Safetensors twins;
  twins.tensors = {{"a", Tensor::zeros({1})}, {"a", Tensor::zeros({1})}};
  EXPECT_THROW(write_safetensors(folder_ / "twins.safetensors", twins), ModelFileError);
}

TEST_F(SafetensorsFiles, RulesOfTheFormatAreKept) {
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
           offsets + "}}";
  };
  const std::string w = R"("w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  const struct {
    std::string header, message;
    size_t payload = 8;
  } cases[] = {
      {"[1]", "does not start with '{'"},
      {"{", "not JSON"},
      {R"({"w":1})", "malformed"},
      {entry("F99", "[2]", "[0,8]"), "dtype F99"},
      {entry("F32", "[2]", "[0,7]"), "7 bytes for F32 of shape (2)"},
      {entry("F32", "[2]", "[8,0]"), "bad data_offsets"},
      {entry("F32", "[2]", "[0]"), "bad data_offsets"},
      {entry("F32", "[-2]", "[0,8]"), "where a size belongs"},
      {entry("F32", "[2.0]", "[0,8]"), "where a size belongs"},
      {entry("F32", "[1,1,1,1,1,1,2]", "[0,8]"), "7 dimensions"},
      {entry("F32", "[4611686018427387904,4]", "[0,0]"), "impossible shape"},
      {entry("F32", "[0,9223372036854775807,9223372036854775807]", "[0,0]"), "impossible shape"},
      {entry("F32", "[9223372036854775808]", "[0,8]"), "impossible shape"},
      {entry("F32", "[2]", "[4,12]"), "expected it to start at 0"},
      {entry("F32", "[3]", "[0,12]"), "end by 8"},
      {entry("F32", "[1]", "[0,4]"), "4 bytes at its end belong to no tensor"},
      {entry("F32", "[[[[2]]]]", "[0,8]"), "nested too deeply"},
      {"{" + w + "," + w + "}", "has 'w' twice"},
      {"{" + w + R"(,"v":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       "expected it to start"},
      {R"({"__metadata__":{"a":1}})", "metadata 'a' is not a string", 0},
      {R"({"__metadata__":"a"})", "metadata is no object", 0},
      {R"({"__metadata__":{"kestrel.header_xxh3":"0000000000000000"}})", "checksum", 0},
      {R"({"__metadata__":{"kestrel.tensor_xxh3":""}})", "checksum", 0},
  };
  for (const auto& c : cases) {
    const std::string error = safetensors_error_of(file_of(c.header, c.payload));
    EXPECT_NE(error.find(c.message), std::string::npos) << c.header << "\n" << error;
    EXPECT_TRUE(error.starts_with("[safetensors] some/file.safetensors: ")) << error;
  }
  const std::string bools = R"({"w":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})";
  std::string file = file_of(bools, 2);
  EXPECT_EQ(safetensors_error_of(file), "no error");
  file.back() = 7;
  EXPECT_NE(safetensors_error_of(file).find("neither 0 nor 1"), std::string::npos);
  EXPECT_NE(safetensors_error_of("").find("0 bytes are too few"), std::string::npos);
  EXPECT_NE(safetensors_error_of(std::string(8, '\xff')).find("does not fit"), std::string::npos);
}

/// A checkpoint of exactly 64 KiB.
class DamagedCheckpoint : public SafetensorsFiles {
 protected:
  static constexpr size_t kSize = 65536;

  void SetUp() override {
    SafetensorsFiles::SetUp();
    Philox random(5);
    Safetensors contents;
    contents.metadata = {{"kestrel.format", "1"}, {"epoch", "3"}};
    for (int i = 0; i < 12; ++i) {
      Tensor tensor = Tensor::empty({16, 3, 3, 9});
      fill_normal(tensor, 0, 1, random);
      contents.tensors.emplace_back("model.layer" + std::to_string(i) + ".weight", tensor);
    }
    contents.tensors.emplace_back("model.rest", Tensor::zeros({0}, DType::UInt8));
    // The last tensor fills what is missing; the digits of its sizes change the header a little.
    for (int64_t rest = 0; file_.size() != kSize && rest < 8192;) {
      contents.tensors.back().second = Tensor::full({rest}, 7, DType::UInt8);
      file_ = bytes_of(contents);
      rest += static_cast<int64_t>(kSize) - static_cast<int64_t>(file_.size());
    }
    ASSERT_EQ(file_.size(), kSize);
    ASSERT_EQ(safetensors_error_of(file_), "no error");
    uint64_t length = 0;
    std::memcpy(&length, file_.data(), sizeof(length));
    payload_ = sizeof(length) + length;
  }

  std::string flipped(size_t bit) const {
    std::string copy = file_;
    copy[bit / 8] = static_cast<char>(copy[bit / 8] ^ 1 << bit % 8);
    return copy;
  }

  static void expect_refused(std::string_view bytes, const std::string& how) {
    const std::string error = safetensors_error_of(bytes);
    ASSERT_TRUE(error.starts_with("[safetensors] some/file.safetensors: ")) << how << ": " << error;
    ASSERT_LT(error.size(), 600U) << how;
  }

  std::string file_;
  size_t payload_ = 0;
};

TEST_F(DamagedCheckpoint, AllTruncationsAreRefused) {
  for (size_t size = 0; size < kSize; ++size) {
    expect_refused(std::string_view(file_).substr(0, size), "cut to " + std::to_string(size));
    if (HasFatalFailure()) return;
  }
}

TEST_F(DamagedCheckpoint, EveryFlippedBitOfTheHeaderIsRefused) {
  for (size_t bit = 0; bit < payload_ * 8; ++bit) {
    expect_refused(flipped(bit), "bit " + std::to_string(bit));
    if (HasFatalFailure()) return;
  }
}

TEST_F(DamagedCheckpoint, FlippedBitsOfThePayloadAreRefused) {
  Philox random(6);
  for (int i = 0; i < 10'000; ++i) {
    const auto bit = static_cast<size_t>(
        random.integer(static_cast<int64_t>(payload_ * 8), static_cast<int64_t>(kSize * 8)));
    expect_refused(flipped(bit), "bit " + std::to_string(bit));
    if (HasFatalFailure()) return;
  }
}

TEST(Safetensors, TextThatTheFormatCannotHoldIsNamed) {
  const auto path = std::filesystem::temp_directory_path() / "kestrel_text.safetensors";
  for (const auto& [contents, name] :
       {std::pair(Safetensors{.tensors = {}, .metadata = {{"classes", "caf\xE9"}}}, "'classes'"),
        {Safetensors{.tensors = {{"w\xE9", Tensor::zeros({1})}}, .metadata = {}}, "the tensor"}}) {
    try {
      write_safetensors(path, contents);
      ADD_FAILURE() << name;
    } catch (const ModelFileError& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("not UTF-8"), std::string::npos) << error.what();
    }
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace kestrel
