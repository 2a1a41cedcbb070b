// PyTorch files that are damaged or mean harm: each is refused with a text that says why.
#include <kestrel/tensor/pth.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include <kestrel/tensor/atomic_file.h>
#include <kestrel/tensor/zip_archive.h>

namespace kestrel {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

PthFile parse(const std::string& bytes) {
  return parse_pth(std::as_bytes(std::span(bytes)), "hostile.pth");
}

/// What reading the file says; with `weights`, what asking for its weights does.
std::string pth_error_of(const std::string& bytes, bool weights = false) {
  try {
    const PthFile file = parse(bytes);
    if (weights) static_cast<void>(file.state_dict());
  } catch (const ModelFileError& error) {
    return error.what();
  }
  return "no error";
}

/// An archive of files, as torch.save lays it out.
std::string archive(const std::vector<std::pair<std::string, std::string>>& files) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("kestrel_hostile_" + std::to_string(::getpid()) + ".pth");
  {
    AtomicFile file("test", path);
    ZipWriter zip(file);
    for (const auto& [name, bytes] : files) zip.add("archive/" + name, bytes);
    zip.finish();
    file.commit();
  }
  std::string bytes = read_file(path);
  std::filesystem::remove(path);
  return bytes;
}

std::string with_pickle(const std::string& opcodes) {
  return archive({{"data.pkl", "\x80\x02" + opcodes + "."}, {"data/0", std::string(16, '\0')}});
}

/// Opcodes of the storage "0" of 4 floats.
std::string storage(const std::string& elements = "K\x04",
                    const std::string& type = "ctorch\nFloatStorage\n") {
  return "(U\x07storage" + type + "U\x01" + "0U\x03" + "cpu" + elements + "tQ";
}

std::string tensor(const std::string& offset, const std::string& sizes,
                   const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage() + offset + "(" + sizes + "t(" +
         strides + "t\x89}tR";
}

TEST(HostilePth, GlobalsThatWeightsDoNotNeedAreNamed) {
  for (const std::string global : {"os system",
                                   "posix system",
                                   "nt system",
                                   "builtins eval",
                                   "builtins exec",
                                   "builtins getattr",
                                   "builtins __import__",
                                   "__builtin__ apply",
                                   "subprocess Popen",
                                   "subprocess check_output",
                                   "runpy _run_code",
                                   "torch load",
                                   "torch.hub load",
                                   "torch.jit._script unpackage_script_module",
                                   "numpy.core.multiarray _reconstruct",
                                   "operator attrgetter",
                                   "collections namedtuple",
                                   "pickle loads",
                                   "shutil rmtree",
                                   "torch._utils _rebuild_sparse_tensor",
                                   "torch.storage _load_from_bytes"}) {
    const size_t blank = global.find(' ');
    const std::string module = global.substr(0, blank);
    const std::string name = global.substr(blank + 1);
    const std::string shown = module + "." + name;
    const auto sized = [](const std::string& text) {
      return "\x8c" + std::string(1, static_cast<char>(text.size())) + text;
    };
    for (const std::string& opcodes : {"c" + module + "\n" + name + "\nU\x04true\x85R",
                                       sized(module) + sized(name) + "\x93" + "U\x04true\x85R"}) {
      const std::string error = pth_error_of(with_pickle(opcodes), true);
      EXPECT_NE(error.find("'" + shown + "'"), std::string::npos) << shown << ": " << error;
      EXPECT_NE(error.find("nothing was executed"), std::string::npos) << error;
      EXPECT_EQ(pth_error_of(with_pickle(opcodes)), "no error") << "it may lie beside the weights";
    }
  }
}

TEST(HostilePth, OpcodesThatWeightsDoNotNeedAreNamed) {
  // Of all 256, those that Python knows and others.
  const std::string known = std::string("(.012NJKMGXUCBqrhj)t]ae}suQcRb") +
                            "\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93"
                            "\x94\x95\x96";
  for (int opcode = 0; opcode < 256; ++opcode) {
    if (known.find(static_cast<char>(opcode)) != std::string::npos) continue;
    const std::string error = pth_error_of(with_pickle(std::string(1, static_cast<char>(opcode))));
    EXPECT_NE(error.find("has opcode 0x"), std::string::npos) << opcode << ": " << error;
  }
}

TEST(HostilePth, MachineIsBounded) {
  const std::string deep = std::string(200, ']') + std::string(199, 'a');
  EXPECT_NE(pth_error_of(with_pickle(deep)).find("nested too deeply"), std::string::npos);
  EXPECT_NE(pth_error_of(with_pickle("]q\1h\1a")).find("contains itself"), std::string::npos);
  EXPECT_NE(pth_error_of(with_pickle("}q\1K\1h\1s")).find("contains itself"), std::string::npos);
  // Each list holds the one before ten times: 10^30 values.
  std::string doubling = "]q" + std::string(1, '\0');
  for (char i = 0; i < 30; ++i) {
    doubling += "](";
    for (int k = 0; k < 10; ++k) doubling += std::string("h") + i;
    doubling += std::string("eq") + static_cast<char>(i + 1);
  }
  EXPECT_NE(pth_error_of(with_pickle(doubling)).find("repeated too often"), std::string::npos);
  EXPECT_NE(pth_error_of(with_pickle(std::string(4'100'000, 'N'))).find("more than"),
            std::string::npos);
  EXPECT_NE(pth_error_of(with_pickle("\x8b\xff\xff\xff\x7f")).find("integer of"),
            std::string::npos);
  for (const std::string damaged :
       {"", "0", "a", "t", "h\5", "R", "b", "Q", "(K\1u", "NNs", "Na", "K\1K\2R", "U\7storage\x85Q",
        "N}b", "U\xff", "X\xff\xff\xff\xff"}) {
    EXPECT_NE(pth_error_of(with_pickle(damaged)).find("[pth] hostile.pth"), std::string::npos)
        << damaged;
  }
}

TEST(HostilePth, TensorsLieWithinTheirStorage) {
  EXPECT_EQ(pth_error_of(with_pickle(tensor("K\1", "K\3", "K\1"))), "no error");
  const std::string huge = "\x8a\x08" + std::string("\0\0\0\0\0\0\0\x40", 8);
  const std::string negative = "J\xff\xff\xff\xff";
  for (const std::string& bad :
       {tensor("K\1", "K\4", "K\1"), tensor(std::string("K\0", 2), "K\5", "K\1"),
        tensor(negative, "K\1", "K\1"), tensor("K\5", "", ""),
        tensor(std::string("K\0", 2), "K\2", "K\4"), tensor(std::string("K\0", 2), "K\2", negative),
        tensor(std::string("K\0", 2), negative, "K\1"),
        tensor(std::string("K\0", 2), huge + huge, "K\1K\1"),
        tensor(std::string("K\0", 2), "K\2", huge), tensor(huge, "K\1", "K\1"),
        tensor(std::string("K\0", 2), "K\2K\2", "K\1"),
        "]" + storage("K\5") + "a" + "0" + "ctorch._utils\n_rebuild_tensor_v2\n(" + storage("K\5") +
            "K\1(K\1t(K\1t\x89}tR",
        "ctorch._utils\n_rebuild_tensor_v2\n(" + storage("K\4", "ctorch\nDoubleStorage\n") +
            "K\1(K\1t(K\1t\x89}tR"}) {
    const std::string error = pth_error_of(with_pickle(bad));
    EXPECT_NE(error.find("storage '0'"), std::string::npos) << error;
  }
  const std::string bytes = "ctorch._utils\n_rebuild_tensor_v2\n(" +
                            storage("K\4", "ctorch\nCharStorage\n") + "K\1(K\1t(K\1t\x89}tR";
  EXPECT_NE(pth_error_of(with_pickle(bytes), true).find("'torch.CharStorage'"), std::string::npos);
  // One float seen as 2^40 of them.
  const std::string million = "J" + std::string("\0\0\x10\0", 4);
  EXPECT_NE(pth_error_of(with_pickle(tensor("K\1", million + million, std::string("K\0K\0", 4))))
                .find("many times the file's size"),
            std::string::npos);
}

TEST(HostilePth, EveryTruncationIsRefused) {
  for (const char* name : {"2_values", "2_values_legacy", "1_adam", "2_adam"}) {
    const std::string whole =
        read_file(KESTREL_TEST_DIR "/golden/data/pth/" + std::string(name) + ".pth");
    ASSERT_EQ(pth_error_of(whole), "no error");
    for (size_t size = 0; size < whole.size(); ++size) {
      ASSERT_NE(pth_error_of(whole.substr(0, size)), "no error") << name << " cut to " << size;
    }
  }
}

// A zip's CRCs cover the pickle and the storages; in the old form nothing covers the storages.
TEST(HostilePth, EveryFlippedBitOfTheZipFormIsRefusedOrHarmless) {
  const std::string whole = archive({{"data.pkl", "\x80\x02" + tensor("K\1", "K\3", "K\1") + "."},
                                     {"data/0", "0123456789abcdef"}});
  ASSERT_EQ(pth_error_of(whole), "no error");
  const auto value = [](const std::string& bytes) {
    const Tensor tensor = parse(bytes).root().as_tensor();
    return std::string(static_cast<const char*>(tensor.raw()), tensor.bytes());
  };
  int refused = 0;
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    try {
      ASSERT_EQ(value(flipped), "456789abcdef") << bit;
    } catch (const ModelFileError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 2000);
}

TEST(HostilePth, OtherFilesAreToldApart) {
  EXPECT_NE(pth_error_of("").find("not a file that torch.save wrote"), std::string::npos);
  EXPECT_NE(pth_error_of("\x80\x03}q\1.").find("not a file that torch.save wrote"),
            std::string::npos);
  EXPECT_NE(pth_error_of(archive({{"readme.txt", "hello"}})).find("without data.pkl"),
            std::string::npos);
  EXPECT_NE(pth_error_of(archive({{"data.pkl", "\x80\2}."}, {"constants.pkl", "\x80\2)."}}))
                .find("TorchScript"),
            std::string::npos);
  EXPECT_NE(
      pth_error_of(archive({{"data.pkl", "\x80\2}."}, {"byteorder", "big"}})).find("big-endian"),
      std::string::npos);
  std::string compressed = archive({{"data.pkl", "\x80\2}."}});
  compressed[compressed.find("PK\1\2") + 10] = 8;  // the directory's method: deflate
  EXPECT_NE(pth_error_of(compressed).find("compressed"), std::string::npos);
  try {
    parse(with_pickle("}U\5epochK\1s")).state_dict();
    FAIL();
  } catch (const ModelFileError& error) {
    EXPECT_NE(std::string(error.what()).find("without tensors; its keys: 'epoch' (an int)"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace kestrel
