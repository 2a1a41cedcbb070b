#include <kestrel/registry/config.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <random>
#include <sstream>

#include <gtest/gtest.h>

#include "../support/error_of.h"
#include "config_files.h"

namespace kestrel {
namespace {

using ConfigFiles = test::ConfigFiles;

TEST(ParseScalar, FollowsTheCoreSchema) {
  EXPECT_EQ(parse_scalar("12"), Config(12));
  EXPECT_EQ(parse_scalar("-12"), Config(-12));
  EXPECT_EQ(parse_scalar("+12"), Config(12));
  EXPECT_EQ(parse_scalar("0x1f"), Config(31));
  EXPECT_EQ(parse_scalar("0o17"), Config(15));
  EXPECT_EQ(parse_scalar("1e-4"), Config(1e-4));
  EXPECT_EQ(parse_scalar(".5"), Config(0.5));
  EXPECT_EQ(parse_scalar("5."), Config(5.0));
  EXPECT_EQ(parse_scalar("-.inf"), Config(-std::numeric_limits<double>::infinity()));
  EXPECT_TRUE(std::isnan(parse_scalar(".nan").as_float()));
  EXPECT_EQ(parse_scalar("true"), Config(true));
  EXPECT_EQ(parse_scalar("False"), Config(false));
  for (const char* word : {"", "~", "null", "None"}) EXPECT_TRUE(parse_scalar(word).is_null());
  for (const char* word : {"yes", "inf", "nan", "1-2", "e", ".", "-", "+", "--1", "+-1", "0x",
                           "0x-1", "1_000", "12abc", "1e", "torchvision://resnet50"}) {
    EXPECT_TRUE(parse_scalar(word).is_string()) << word;
  }
  EXPECT_EQ(parse_scalar("-9223372036854775808").as_int(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(parse_scalar("9223372036854775808").as_float(), 9223372036854775808.0);
}

TEST(Config, ErrorsNameFileLineAndPath) {
  const Config config = Config::parse("model:\n  backbone:\n    depth: fifty\n", "configs/x.yaml");
  const Config& depth = config.at("model").at("backbone").at("depth");
  EXPECT_EQ(test::error_of<UsageError>([&] { depth.as_int(); }),
            "configs/x.yaml:3: model.backbone.depth: expected an integer, got \"fifty\"");
  EXPECT_EQ(test::error_of<UsageError>([&] { depth.items(); }),
            "configs/x.yaml:3: model.backbone.depth: expected a list, got \"fifty\"");
  EXPECT_EQ(test::error_of<UsageError>([&] { config.at("model").at("backbon"); }),
            "configs/x.yaml:1: model: needs a key 'backbon'; did you mean 'backbone'?");
}

TEST(Config, NothingButIntToFloatIsConverted) {
  EXPECT_EQ(Config(3).as_float(), 3.0);
  EXPECT_THROW(Config(3.0).as_int(), UsageError);
  EXPECT_THROW(Config(1).as_bool(), UsageError);
  EXPECT_THROW(Config("1").as_int(), UsageError);
  EXPECT_THROW(Config(1).as_string(), UsageError);
  EXPECT_THROW(Config().as_int(), UsageError);
}

TEST(Config, QuotedScalarsStayText) {
  const Config config = Config::parse("a: '12'\nb: \"true\"\nc: 12\n");
  EXPECT_EQ(config.at("a").as_string(), "12");
  EXPECT_EQ(config.at("b").as_string(), "true");
  EXPECT_EQ(config.at("c").as_int(), 12);
}

TEST_F(ConfigFiles, ChildLaysOverItsBases) {
  write("_base_/models/m.yaml", "model:\n  type: A\n  backbone: {depth: 50, out: [0, 1]}\n");
  write("_base_/run.yaml", "epochs: 12\nhooks: [1, 2, 3]\n");
  const std::string file = write(
      "a/child.yaml",
      "_base_: [../_base_/models/m.yaml, ../_base_/run.yaml]\nmodel:\n  backbone: {depth: 18}\n"
      "hooks: [4]\nextra: 1\n");
  const Config config = Config::load(file);
  EXPECT_EQ(config, Config::parse("model: {type: A, backbone: {depth: 18, out: [0, 1]}}\n"
                                  "epochs: 12\nhooks: [4]\nextra: 1\n"));
  // Each value knows the file it came from.
  const Config& backbone = config.at("model").at("backbone");
  EXPECT_EQ(backbone.at("depth").location(), file + ":3");
  EXPECT_EQ(backbone.at("out").location(), (folder_ / "_base_/models/m.yaml").string() + ":3");
  EXPECT_EQ(backbone.at("depth").path(), "model.backbone.depth");
}

TEST_F(ConfigFiles, BasesHaveBases) {
  write("a.yaml", "x: {a: 1, b: 1, c: 1}\n");
  write("b.yaml", "_base_: a.yaml\nx: {b: 2, c: 2}\n");
  const std::string file = write("c.yaml", "_base_: ./b.yaml\nx: {c: 3}\n");
  EXPECT_EQ(Config::load(file), Config::parse("x: {a: 1, b: 2, c: 3}"));
}

TEST_F(ConfigFiles, DeleteReplacesAndLeavesNoMark) {
  write("base.yaml", "optimizer: {type: SGD, lr: 0.1, nested: {a: 1}}\n");
  const std::string file = write("c.yaml",
                                 "_base_: base.yaml\noptimizer: {_delete_: true, type: Adam}\n"
                                 "fresh: {_delete_: true, a: {_delete_: true, b: 1}}\n");
  EXPECT_EQ(Config::load(file), Config::parse("optimizer: {type: Adam}\nfresh: {a: {b: 1}}"));
}

TEST_F(ConfigFiles, MapOverScalarIsRefusedUnlessDeleted) {
  write("base.yaml", "grad_clip: 35\nnothing: null\n");
  const std::string file = write("c.yaml", "_base_: base.yaml\n\ngrad_clip: {max_norm: 35}\n");
  EXPECT_EQ(test::error_of<UsageError>([&] { Config::load(file); }),
            file + ":3: grad_clip: a map cannot be merged into the base's value 35 (" +
                (folder_ / "base.yaml").string() + ":1); add _delete_: true to replace it");
  const std::string other = write("d.yaml", "_base_: base.yaml\nnothing: {a: 1}\ngrad_clip: [1]\n");
  EXPECT_EQ(Config::load(other), Config::parse("grad_clip: [1]\nnothing: {a: 1}"));
}

TEST_F(ConfigFiles, SameKeyInTwoBasesIsRefused) {
  const std::string a = write("a.yaml", "model: 1\n");
  const std::string b = write("b.yaml", "\nmodel: 2\n");
  const std::string file = write("c.yaml", "_base_:\n  - a.yaml\n  - b.yaml\n");
  EXPECT_EQ(test::error_of<UsageError>([&] { Config::load(file); }),
            file + ":3: _base_.1: key 'model' is in two bases: " + a + ":1 and " + b + ":2");
}

TEST_F(ConfigFiles, CyclesAndMissingFilesAreNamed) {
  write("a.yaml", "_base_: b.yaml\n");
  const std::string b = write("b.yaml", "_base_: a.yaml\n");
  EXPECT_NE(test::error_of<UsageError>([&] { Config::load(b); }).find("is its own base"),
            std::string::npos);
  const std::string file = write("c.yaml", "\n_base_: nowhere.yaml\n");
  EXPECT_EQ(test::error_of<UsageError>([&] { Config::load(file); }),
            file + ":2: _base_: no such file: " + (folder_ / "nowhere.yaml").string());
  EXPECT_NE(test::error_of<UsageError>([&] {
              Config::load(folder_ / "none.yaml");
            }).find("cannot be read"),
            std::string::npos);
  EXPECT_NE(test::error_of<UsageError>([&] { Config::load(folder_); }), "");
}

TEST_F(ConfigFiles, ReferencesToBasesAndToTheFile) {
  write("base.yaml", "img: {mean: [1.5, 2]}\nsize: 640\n");
  const std::string file =
      write("exp_1.yaml",
            "_base_: base.yaml\nnorm: '{{_base_.img}}'\nmean: {{ _base_.img.mean }}\n"
            "name: run_{{fileBasenameNoExtension}}_{{_base_.size}}\nflow: {a: {b: 1}}\n");
  const Config config = Config::load(file);
  EXPECT_EQ(config.at("norm"), Config::parse("{mean: [1.5, 2]}"));
  EXPECT_EQ(config.at("mean"), Config::parse("[1.5, 2]"));
  EXPECT_EQ(config.at("name").as_string(), "run_exp_1_640");
  const std::string bad = write("bad.yaml", "_base_: base.yaml\nx: {{_base_.img.std}}\n");
  EXPECT_EQ(test::error_of<UsageError>([&] { Config::load(bad); }),
            bad + ":2: x: the bases have no value for {{_base_.img.std}}");
}

TEST(ConfigOverride, ReadsValuesAsTheShellGivesThem) {
  const auto value_of = [](const std::string& text) {
    Config config = Config::map();
    config.apply_override("x=" + text);
    return config.at("x");
  };
  EXPECT_EQ(value_of("3"), Config(3));
  EXPECT_EQ(value_of("1e-3"), Config(1e-3));
  EXPECT_EQ(value_of("True"), Config(true));
  EXPECT_TRUE(value_of("None").is_null());
  EXPECT_EQ(value_of("data/coco"), Config("data/coco"));
  EXPECT_EQ(value_of("a=b"), Config("a=b"));
  EXPECT_EQ(value_of("8,11"), Config::parse("[8, 11]"));
  EXPECT_EQ(value_of("[8, 11]"), Config::parse("[8, 11]"));
  EXPECT_EQ(value_of("(1333,800)"), Config::parse("[1333, 800]"));
  EXPECT_EQ(value_of("[(1333, 640), (1333, 800)]"), Config::parse("[[1333, 640], [1333, 800]]"));
  EXPECT_EQ(value_of("[]"), Config::list());
  EXPECT_EQ(value_of("3,"), Config::parse("[3]"));
  EXPECT_EQ(value_of("'a, b'"), Config("a, b"));
  EXPECT_EQ(value_of("\"3\""), Config("3"));
  EXPECT_EQ(value_of("{a: {b: 1}}"), Config::parse("{a: {b: 1}}"));
}

TEST(ConfigOverride, FollowsThePath) {
  Config config = Config::parse("model: {depth: 50}\nsteps: [{lr: 1}, {lr: 2}]\n");
  config.apply_override("model.depth=18");
  config.apply_override("steps.1.lr=5");
  config.apply_override("new.deep.key=x");
  config.apply_override("model={style: caffe}");
  EXPECT_EQ(config, Config::parse("model: {depth: 18, style: caffe}\nsteps: [{lr: 1}, {lr: 5}]\n"
                                  "new: {deep: {key: x}}"));
  EXPECT_EQ(config.at("model").at("depth").path(), "model.depth");
  EXPECT_EQ(test::error_of<UsageError>([&] { config.at("new").at("deep").at("key").as_int(); }),
            "--set new.deep.key=x: new.deep.key: expected an integer, got \"x\"");
  config.apply_override("model={_delete_: true, type: B}");
  EXPECT_EQ(config.at("model"), Config::parse("{type: B}"));
}

TEST(ConfigOverride, RefusesWhatHasNoPlace) {
  Config config = Config::parse("depth: 50\nsteps: [1, 2]\n");
  for (const char* text :
       {"depth", "=1", ".x=1", "depth.=1", "depth.x=1", "steps.2=1", "steps.x=1",
        "steps.99999999999999999999=1", "x=[1", "x=(1]", "x='a", "x=[1]2", "x={a: ", "x={a: 1}}"}) {
    EXPECT_THROW(config.apply_override(text), UsageError) << text;
  }
  EXPECT_THROW(config.apply_override("x=" + std::string(100'000, '[')), UsageError);
}

TEST(ConfigWriter, YamlAndJsonAreReadBackEqual) {
  const Config config = Config::parse(R"(
a: {b: [1, 2.5, -3], c: {}, d: [], "odd key: ": 1}
text: ["12", "true", "", " x", "a: b", "#c", "- d", "null", "line\nbreak", "tab\t", "q\"\\", "{x}", "ü"]
numbers: [1.0, 1e-300, 0.1, 100000000000000000000.0, 3]
list:
  - {type: Resize, scale: [1333, 800], keep: true}
  - {type: Aug, transforms: [{type: Flip}, {type: Pad, x: null}]}
  - {}
  - [[1, 2], [{a: 1}]]
nothing: ~
)");
  EXPECT_EQ(Config::parse(config.to_yaml()), config) << config.to_yaml();
  EXPECT_EQ(Config::parse(config.to_json()), config) << config.to_json();
  const Config infinite = Config::parse("x: [.inf, -.inf, .nan]");
  EXPECT_EQ(Config::parse(infinite.to_yaml()), infinite);
  EXPECT_THROW(infinite.to_json(), UsageError);
  EXPECT_EQ(Config::parse("a: 1\nb:\n  c: [1, 2]\n  d: [{e: f}]\n").to_yaml(),
            "a: 1\nb:\n  c: [1, 2]\n  d:\n    - e: f\n");
}

TEST(ConfigParse, MalformedTextIsAnErrorWithItsLine) {
  EXPECT_EQ(test::error_of<UsageError>([] {
              Config::parse("a: 1\nb: [1, 2\nc: 3\n", "x.yaml");
            }).rfind("x.yaml:", 0),
            0);
  EXPECT_EQ(test::error_of<UsageError>([] { Config::parse("a: 1\nb: 2\na: 3\n", "x.yaml"); }),
            "x.yaml:3: key 'a' is there twice, first in line 1");
  for (const char* text :
       {"[a]: 1", "{", "a: *nowhere", "a: !python/object x", "- a\nb: 1", "a: 1\n---\nb: 2",
        "a: \x01", "? {a: b}\n: c", "\ta: 1", "a: \"open", "~: 1"}) {
    EXPECT_THROW(Config::parse(text), UsageError) << text;
  }
  EXPECT_EQ(Config::parse(""), Config::map());
  EXPECT_EQ(Config::parse("# only a comment\n"), Config::map());
}

TEST(ConfigParse, HostileTextEndsInAnError) {
  EXPECT_THROW(Config::parse(std::string(100'000, '[')), UsageError);
  EXPECT_THROW(Config::parse("a: " + std::string(300, '[') + std::string(300, ']')), UsageError);
  EXPECT_THROW(Config::parse("a: &x [*x]"), UsageError);
  std::ostringstream bomb;
  bomb << "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb << 'a' << i << ": &a" << i << " [";
    for (int j = 0; j < 10; ++j) bomb << (j ? ", *a" : "*a") << i - 1;
    bomb << "]\n";
  }
  EXPECT_NE(test::error_of<UsageError>([&] { Config::parse(bomb.str()); }).find("too many values"),
            std::string::npos);
  std::ostringstream many;
  for (int i = 0; i < 30'000; ++i) many << 'k' << i << ": 1\n";
  EXPECT_THROW(Config::parse(many.str()), UsageError);
}

TEST_F(ConfigFiles, BasesThatMultiplyEndInAnError) {
  for (int i = 0; i < 40; ++i) {
    std::ostringstream text;
    text << "_base_: [" << i + 1 << ".yaml, " << i + 1 << ".yaml]\n";
    write(std::to_string(i) + ".yaml", text.str());
  }
  write("40.yaml", "{}\n");
  EXPECT_NE(test::error_of<UsageError>([&] { Config::load(folder_ / "0.yaml"); }).find("more than"),
            std::string::npos);
}

TEST(ConfigParse, RandomBytesNeverCrash) {
  const std::string alphabet = "ab1:-[]{},&*!|>'\"%@#?~ \n\t.=<_\\e+";
  std::mt19937 random(1);
  int valid = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text(1 + random() % 40, ' ');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    try {
      const Config config = Config::parse(text);
      ++valid;
      ASSERT_EQ(Config::parse(config.to_yaml()), config) << text << "\n->\n" << config.to_yaml();
    } catch (const UsageError&) {
    }
  }
  EXPECT_GT(valid, 100);
}

}  // namespace
}  // namespace kestrel
