// Files that PyTorch 1.13 and 2.15 saved (tests/golden/pth.py), and those that we write.
#include <kestrel/tensor/pth.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <numeric>

#include <gtest/gtest.h>

namespace kestrel {
namespace {

using Kind = PickleValue::Kind;

std::string golden(const std::string& name) {
  return std::string(KESTREL_TEST_DIR "/golden/data/pth/") + name + ".pth";
}

/// The bytes that tests/golden/pth.py gives the tensor `name`.
std::vector<uint8_t> golden_bytes(std::string_view name, size_t count, bool is_bool) {
  uint64_t seed = 0;
  for (const char c : name) seed += static_cast<unsigned char>(c);
  std::vector<uint8_t> bytes(count);
  for (size_t j = 0; j < count; ++j) {
    bytes[j] = static_cast<uint8_t>(j * 151 + (j >> 3) * 29 + seed) & (is_bool ? 1 : 255);
  }
  return bytes;
}

void expect_golden(const Tensor& tensor, const std::string& name) {
  const auto expected = golden_bytes(name, tensor.bytes(), tensor.dtype() == DType::Bool);
  EXPECT_TRUE(expected.empty() || std::memcmp(tensor.raw(), expected.data(), expected.size()) == 0)
      << name << ' ' << tensor.dtype() << ' ' << tensor.shape();
}

const PickleValue& at(const PickleValue& dict, std::string_view key) {
  const PickleValue* value = dict.find(key);
  if (value == nullptr) throw std::out_of_range(std::string(key));
  return *value;
}

class PthOfVersion : public ::testing::TestWithParam<std::string> {
 protected:
  static PthFile read(const std::string& name) { return read_pth(golden(GetParam() + name)); }
};

INSTANTIATE_TEST_SUITE_P(PyTorch, PthOfVersion, ::testing::Values("1_", "2_"),
                         [](const auto& test) { return "Version" + test.param.substr(0, 1); });

TEST_P(PthOfVersion, TensorsAreBitEqualInBothForms) {
  for (const char* form : {"values", "values_legacy"}) {
    SCOPED_TRACE(form);
    const PthFile file = read(form);
    const PickleValue& root = file.root();
    const std::pair<const char*, DType> dtypes[] = {
        {"f32", DType::Float32},   {"f64", DType::Float64}, {"f16", DType::Float16},
        {"bf16", DType::BFloat16}, {"i64", DType::Int64},   {"i32", DType::Int32},
        {"u8", DType::UInt8},      {"bool", DType::Bool}};
    for (const auto& [name, dtype] : dtypes) {
      const std::string key = std::string("dtype.") + name;
      const Tensor& tensor = at(root, key).as_tensor();
      EXPECT_EQ(tensor.dtype(), dtype);
      EXPECT_EQ(tensor.shape(), Shape({3, 5}));
      expect_golden(tensor, key);
    }
    const std::pair<const char*, Shape> shapes[] = {
        {"scalar", {}},           {"empty", {0, 3}},
        {"transposed", {4, 6}},   {"channels_last", {2, 3, 4, 5}},
        {"every_second", {3, 4}}, {"whole", {6, 4}},
        {"parameter", {3}}};
    for (const auto& [name, shape] : shapes) {
      EXPECT_EQ(at(root, name).as_tensor().shape(), shape) << name;
      expect_golden(at(root, name).as_tensor(), name);
    }
    const Tensor expanded = at(root, "expanded").as_tensor();
    EXPECT_EQ(expanded.shape(), Shape({3, 4}));
    for (const float value : expanded.values<float>()) EXPECT_EQ(value, 0.0F);
    const auto& buffers = at(root, "buffers").items();
    expect_golden(buffers[0]->as_tensor(), "buffers.0");
    expect_golden(at(*buffers[1], "deep").items()[0]->as_tensor(), "buffers.1");
  }
}

TEST_P(PthOfVersion, TiedTensorsShareMemory) {
  for (const char* form : {"values", "values_legacy"}) {
    const PthFile file = read(form);
    const Tensor& whole = at(file.root(), "whole").as_tensor();
    const Tensor& tied = at(file.root(), "tied").as_tensor();
    const Tensor& part = at(file.root(), "part").as_tensor();
    EXPECT_TRUE(tied.shares_memory_with(whole));
    EXPECT_TRUE(part.shares_memory_with(whole));
    EXPECT_EQ(part.raw(), whole[2].raw());
    EXPECT_EQ(tied.raw(), whole.raw());
  }
}

TEST_P(PthOfVersion, OtherValuesAreATree) {
  for (const char* form : {"values", "values_legacy"}) {
    SCOPED_TRACE(form);
    const PthFile file = read(form);
    const PickleValue& plain = at(file.root(), "plain");
    EXPECT_TRUE(at(plain, "none").is(Kind::None));
    EXPECT_TRUE(at(plain, "true").as_bool());
    EXPECT_FALSE(at(plain, "false").as_bool());
    EXPECT_EQ(at(plain, "small").as_int(), 5);
    EXPECT_EQ(at(plain, "medium").as_int(), 300);
    EXPECT_EQ(at(plain, "negative").as_int(), -7);
    EXPECT_EQ(at(plain, "large").as_int(), int64_t{1} << 40);
    EXPECT_EQ(at(plain, "huge").as_text(), std::string("\0\0\0\0\0\0\0\0\x40", 9));
    EXPECT_EQ(at(plain, "float").as_float(), 0.1);
    EXPECT_TRUE(std::isinf(at(plain, "infinity").as_float()));
    EXPECT_EQ(at(plain, "text").as_text(), "größer ∞");
    EXPECT_EQ(at(plain, "bytes").as_text(), std::string("\0\xff\x80", 3));
    EXPECT_EQ(at(plain, "list").items()[1]->items()[0]->as_int(), 2);
    EXPECT_TRUE(at(plain, "tuple").items()[2]->items().empty());
    EXPECT_EQ(at(plain, "set").items()[0]->as_int(), 4);
    EXPECT_EQ(at(plain, "size").items()[1]->as_int(), 3);
    EXPECT_EQ(at(plain, "device").as_text(), "cpu");
    EXPECT_EQ(at(plain, "dtype").as_text(), "torch.float16");
    EXPECT_EQ(at(plain, "numpy").as_float(), 0.25);
    EXPECT_EQ(at(plain, "numpy_int").as_int(), -3);
    EXPECT_EQ(at(at(plain, "ordered"), "b").as_int(), 2);
    EXPECT_EQ(at(plain, "ordered").find("attribute"), nullptr);
    EXPECT_EQ(at(at(plain, "counter"), "a").as_int(), 2);
    EXPECT_EQ(at(at(plain, "default"), "x").items()[0]->as_int(), 1);
    EXPECT_EQ(at(at(plain, "namespace"), "lr").as_float(), 0.02);
    EXPECT_EQ(at(plain, "none").find("a key of what is no dict"), nullptr);
    EXPECT_THROW(at(plain, "text").as_int(), ModelFileError);
    EXPECT_THROW(at(plain, "small").as_bool(), ModelFileError);
  }
}

TEST_P(PthOfVersion, DetectorsOfTorchvisionAreRead) {
  for (const auto& [name, count] : {std::pair("retinanet", 354U), {"fasterrcnn", 150U}}) {
    const auto tensors = read(name).state_dict();
    EXPECT_EQ(tensors.size(), count) << name;
    for (const auto& [key, tensor] : tensors) {
      expect_golden(tensor, key);
      EXPECT_EQ(tensor.dtype(),
                key.ends_with("num_batches_tracked") ? DType::Int64 : DType::Float32);
    }
  }
}

TEST_P(PthOfVersion, MMDetectionsCheckpointIsReadWithItsOptimizer) {
  const PthFile file = read("mmdetection");
  const auto tensors = file.state_dict();
  EXPECT_EQ(tensors.front().first, "backbone.conv1.weight");
  EXPECT_EQ(tensors.back().first, "bbox_head.retina_reg.bias");
  for (const auto& [key, tensor] : tensors) expect_golden(tensor, key);

  const PickleValue& meta = at(file.root(), "meta");
  EXPECT_EQ(at(meta, "CLASSES").items()[1]->as_text(), "bicycle");
  EXPECT_EQ(at(at(meta, "hook_msgs"), "best_score").as_float(), 0.365);
  EXPECT_TRUE(at(meta, "seed").is(Kind::None));

  const PickleValue& optimizer = at(file.root(), "optimizer");
  const auto& states = at(optimizer, "state").entries();
  ASSERT_EQ(states.size(), 2U);
  for (size_t i = 0; i < states.size(); ++i) {
    EXPECT_EQ(states[i].first->as_int(), static_cast<int64_t>(i));
    expect_golden(at(*states[i].second, "momentum_buffer").as_tensor(),
                  "momentum." + std::to_string(i));
  }
  const PickleValue& group = *at(optimizer, "param_groups").items()[0];
  EXPECT_EQ(at(group, "momentum").as_float(), 0.9);
  EXPECT_EQ(at(group, "params").items().size(), 3U);
}

TEST_P(PthOfVersion, ATrainingLoopsDictIsRead) {
  const PthFile file = read("adam");
  for (const auto& [key, tensor] : file.state_dict()) {
    const auto bytes = golden_bytes(key, static_cast<size_t>(tensor.numel()), false);
    const Tensor values = tensor.to(DType::Float64);
    for (size_t i = 0; i < bytes.size(); ++i)
      EXPECT_EQ(values.values<double>()[i], bytes[i]) << key;
  }
  const auto& states = at(at(file.root(), "optimizer"), "state").entries();
  ASSERT_EQ(states.size(), 4U);
  for (const auto& [index, state] : states) {
    for (const std::string key : {"exp_avg", "exp_avg_sq"}) {
      expect_golden(at(*state, key).as_tensor(), key + "." + std::to_string(index->as_int()));
    }
    EXPECT_EQ(at(*state, "step").as_tensor().item<float>(), 1.0F);
  }
  EXPECT_EQ(at(at(file.root(), "args"), "dataset").as_text(), "coco");
  EXPECT_EQ(at(at(file.root(), "lr_scheduler"), "milestones").entries().size(), 2U);
}

TEST_P(PthOfVersion, APickleThatCallsSomethingCallsNothing) {
  try {
    static_cast<void>(read("calls_system").state_dict());
    FAIL();
  } catch (const ModelFileError& error) {
    EXPECT_NE(std::string(error.what()).find("posix.system"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(std::filesystem::exists("kestrel_was_here"));
}

// numpy's scalars and arrays, paths, dates, objects of one's own classes: none of it is needed.
TEST(Pth, ValuesBesideTheWeightsNeedNotBeUnderstood) {
  for (const char* name : {"2_beside", "2_beside_legacy", "2_beside_protocol4"}) {
    SCOPED_TRACE(name);
    const PthFile file =
        read_pth(KESTREL_TEST_DIR "/golden/data/pth/" + std::string(name) + ".pth");
    for (const auto& [key, prefix] : {std::pair("net", ""), {"ema.module", "ema."}}) {
      const auto weights = file.state_dict(key);
      ASSERT_EQ(weights.size(), 2U) << key;
      EXPECT_EQ(weights[0].first, "conv.weight");
      expect_golden(weights[0].second, std::string(prefix) + "conv.weight");
      expect_golden(weights[1].second, std::string(prefix) + "conv.bias");
    }
    EXPECT_EQ(at(file.root(), "best").as_float(), 0.25);
    EXPECT_EQ(at(at(file.root(), "config"), "lr").as_float(), 0.1)
        << "a dict of a class of one's own";
    for (const auto& [key, type] : {std::pair("path", "pathlib.PosixPath"),
                                    {"time", "datetime.datetime"},
                                    {"int8", "torch.CharStorage"},
                                    {"many", "a tensor of 9 dimensions"}}) {
      ASSERT_TRUE(at(file.root(), key).is(Kind::Opaque)) << key;
      EXPECT_NE(at(file.root(), key).opaque_name().find(type), std::string::npos)
          << at(file.root(), key).opaque_name();
    }
    EXPECT_THROW(at(file.root(), "path").as_text(), PickleKindError);
  }
}

TEST(Pth, SeveralSetsOfWeightsAreListedAndOneIsChosen) {
  const PthFile file = read_pth(KESTREL_TEST_DIR "/golden/data/pth/2_beside.pth");
  const auto why = [&](const char* key) {
    try {
      static_cast<void>(file.state_dict(key));
    } catch (const ModelFileError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  const std::string listed = "dicts of tensors: 'net' (2), 'ema.module' (2); --key chooses one";
  EXPECT_NE(why("").find("several dicts of tensors to choose from; " + listed), std::string::npos)
      << why("");
  EXPECT_NE(why("nix").find("has no key 'nix'; " + listed), std::string::npos) << why("nix");
  EXPECT_NE(why("ema").find("'ema' is a dict without tensors"), std::string::npos) << why("ema");
  EXPECT_NE(why("path").find("'path' is a value of 'pathlib."), std::string::npos) << why("path");
}

TEST(Pth, WhatWeWriteWeRead) {
  const auto path = std::filesystem::temp_directory_path() / "kestrel_pth_test.pth";
  std::vector<float> numbers(30);
  std::iota(numbers.begin(), numbers.end(), -3.0F);
  const std::vector<std::pair<std::string, Tensor>> tensors = {
      {"a", Tensor::from(numbers, {2, 3, 5})},
      {"empty", Tensor::zeros({0, 4})},
      {"scalar", Tensor::full({}, 7, DType::Int64)},
      {"half", Tensor::full({3}, 0.5, DType::Float16)},
      {"brain", Tensor::full({3}, 0.5, DType::BFloat16)},
      {"yes", Tensor::full({5}, 1, DType::Bool)}};
  const PthMeta meta{.classes = {"cat", "größer"}};
  for (const PthMeta* with : {static_cast<const PthMeta*>(nullptr), &meta}) {
    write_pth(path, tensors, with);
    const PthFile file = read_pth(path);
    const auto read = file.state_dict();
    ASSERT_EQ(read.size(), tensors.size());
    for (size_t i = 0; i < read.size(); ++i) {
      EXPECT_EQ(read[i].first, tensors[i].first);
      EXPECT_EQ(read[i].second.dtype(), tensors[i].second.dtype());
      EXPECT_EQ(read[i].second.shape(), tensors[i].second.shape());
      EXPECT_EQ(std::memcmp(read[i].second.raw(), tensors[i].second.raw(), read[i].second.bytes()),
                0);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(read[i].second.raw()) % 64, 0U) << "not aligned";
    }
    EXPECT_EQ(file.root().find("meta") != nullptr, with != nullptr);
  }
  EXPECT_EQ(at(at(read_pth(path).root(), "meta"), "CLASSES").items()[1]->as_text(), "größer");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace kestrel
