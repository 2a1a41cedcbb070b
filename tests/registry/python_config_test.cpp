#include <kestrel/registry/python/python_config.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include <kestrel/kernels/log.h>

#include "../support/error_of.h"
#include "config_files.h"

namespace kestrel {
namespace {

namespace fs = std::filesystem;

using PythonConfigFiles = test::ConfigFiles;

Config read_python(const std::string& text) {
  return python::read_config(text, "x.py");
}
std::string python_error(const std::string& text) {
  return test::error_of<UsageError>([&] { read_python(text); });
}

// Every construct and rule, as mmcv 1.7.2 reads them: tests/golden/configs.py wrote the .json
// files.
TEST(PythonConfig, ReadsWhatMmcvReads) {
  const fs::path folder = fs::path(KESTREL_SOURCE_DIR) / "tests/golden/data/configs";
  const WarningSink sink = set_warning_sink({});
  int count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    fs::path golden = entry.path();
    golden.replace_extension(".json");
    if (entry.path().extension() == ".json" || !fs::exists(golden)) continue;
    const Config config = Config::load(entry.path());
    EXPECT_EQ(config, Config::load(golden)) << entry.path();
    EXPECT_EQ(config.keys(), Config::load(golden).keys()) << entry.path();
    EXPECT_EQ(Config::parse(config.to_json()), config) << entry.path();
    EXPECT_EQ(Config::parse(config.to_yaml()), config) << entry.path();
    ++count;
  }
  set_warning_sink(sink);
  EXPECT_EQ(count, 11);
}

TEST(PythonConfig, WholeNumbersAndRealNumbersStayApart) {
  const Config config = read_python("a = 4 / 2\nb = 4 // 2\nc = 2 * 1.0\nd = True + 1\n");
  EXPECT_EQ(config.at("a").kind(), Config::Kind::Float);
  EXPECT_EQ(config.at("b").kind(), Config::Kind::Int);
  EXPECT_EQ(config.at("c").kind(), Config::Kind::Float);
  EXPECT_EQ(config.at("d"), Config(2));
}

TEST(PythonConfig, ValuesKnowTheirFileAndLine) {
  const Config config =
      read_python("model = dict(\n    type='A',\n    backbone=dict(\n        depth='x'))\n");
  EXPECT_EQ(
      test::error_of<UsageError>([&] { config.at("model").at("backbone").at("depth").as_int(); }),
      "x.py:4: model.backbone.depth: expected an integer, got \"x\"");
}

struct Refused {
  const char* text;
  const char* error;  // its beginning
};

TEST(PythonConfig, OtherConstructsAreNamedWithTheirLine) {
  for (const auto& [text, error] : {
           Refused{"a = 1\nimport os\n", "x.py:2: an import is not supported"},
           Refused{"from a import b\n", "x.py:1: an import is not supported"},
           Refused{"a = 1\nfor i in [1]:\n    a = i\n", "x.py:2: a for loop is not supported"},
           Refused{"while True:\n  pass\n", "x.py:1: a while loop is not supported"},
           Refused{"if True:\n  a = 1\n", "x.py:1: an if statement is not supported"},
           Refused{"def f():\n  return 1\n", "x.py:1: a function is not supported"},
           Refused{"class A:\n  pass\n", "x.py:1: a class is not supported"},
           Refused{"with a:\n  pass\n", "x.py:1: a with statement is not supported"},
           Refused{"try:\n  a = 1\n", "x.py:1: a try statement is not supported"},
           Refused{"a = 1; del a\n", "x.py:1: a del statement is not supported"},
           Refused{"assert True\n", "x.py:1: an assertion is not supported"},
           Refused{"@a\n", "x.py:1: a decorator is not supported"},
           Refused{"a = lambda: 1\n", "x.py:1: a lambda is not supported"},
           Refused{"a = {1, 2}\n", "x.py:1: a set is not supported"},
           Refused{"a = {i for i in [1]}\n", "x.py:1: a set is not supported"},
           Refused{"a = b'x'\n", "x.py:1: a bytes literal is not supported"},
           Refused{"a = 1j\n", "x.py:1: a complex number is not supported"},
           Refused{"a = ...\n", "x.py:1: '...' is not supported"},
           Refused{"a: int = 1\n", "x.py:1: an annotation is not supported"},
           Refused{"a = [1]\na[0] = 2\n", "x.py:2: an assignment to an item is not supported"},
           Refused{"a = 1\na += 1\n", "x.py:2: the assignment '+=' is not supported"},
           Refused{"a = (b := 1)\n", "x.py:1: the assignment ':=' is not supported"},
           Refused{"a = 1 << 2\n", "x.py:1: the operator '<<' is not supported"},
           Refused{"a = os.environ\n", "x.py:1: the attribute '.environ' is not supported"},
           Refused{"a = os.path.join('a')\n", "x.py:1: the attribute '.path' is not supported"},
           Refused{"a = 'x'.format()\n", "x.py:1: a call of '.format' is not supported"},
           Refused{"a = [1]\na.append(2)\n", "x.py:2: a call of '.append' is not supported"},
           Refused{"a = [1].keys()\n", "x.py:1: a call of '.keys' of a list is not supported"},
           Refused{"a = (\n  1,\n  open('x'))\n", "x.py:3: a call of 'open' is not supported"},
           Refused{"print(1)\n", "x.py:1: a call of 'print' is not supported"},
           Refused{"a = dict\n", "x.py:1: the function 'dict' as a value is not supported"},
           Refused{"dict = 1\na = dict(b=1)\n", "x.py:2: a call of 'dict' is not supported"},
           Refused{"a = [1](0)\n", "x.py:1: a call of what is not a name is not supported"},
           Refused{"a = '%d' % 1\n", "x.py:1: formatting a text with '%' is not supported"},
           Refused{"a = f'{1:>3}'\n", "x.py:1: a format or conversion in a formatted text is not"},
           Refused{"a = f'{1!r}'\n", "x.py:1: a format or conversion in a formatted text is not"},
           Refused{"a = 1 is 1\n", "x.py:1: 'is' with another value than None is not supported"},
           Refused{"1 + 1\n", "x.py:1: a value that is not assigned to a name is not supported"},
           Refused{"list()\n", "x.py:1: a call whose value is not assigned to a name is not"},
       }) {
    EXPECT_TRUE(python_error(text).starts_with(error)) << text << "\n" << python_error(text);
  }
}

TEST(PythonConfig, MistakesAreNamedWithTheirLine) {
  for (const auto& [text, error] : {
           Refused{"a = 1\nb = (\n", "x.py:3: the file ends inside a bracket"},
           Refused{"a = 'x\n", "x.py:1: a quote is not closed"},
           Refused{"a = 1\n  b = 2\n", "x.py:2: this line is indented"},
           Refused{"a = \n", "x.py:1: the line ends where a value should be"},
           Refused{"a = 1 2\n", "x.py:1: unexpected '2'"},
           Refused{"a = $\n", "x.py:1: unexpected character '$'"},
           Refused{"a = )\n", "x.py:1: unexpected ')'"},
           Refused{"a = 012\n", "x.py:1: a number may not begin with 0"},
           Refused{"a = 12ab\n", "x.py:1: not a number: '12a'"},
           Refused{"a = 9223372036854775808\n",
                   "x.py:1: the number 9223372036854775808 is too large"},
           Refused{"a = 2 ** 63\n", "x.py:1: a whole number is too large"},
           Refused{"a = 9223372036854775807 + 1\n", "x.py:1: a whole number is too large"},
           Refused{"a = 1 // 0\n", "x.py:1: division by zero"},
           Refused{"a = 1 + 'x'\n", "x.py:1: '+' cannot be applied to 1 and the text 'x'"},
           Refused{"a = -[1]\n", "x.py:1: '-' cannot be applied to a list"},
           Refused{"depth = 1\na = deph\n",
                   "x.py:2: the name 'deph' has no value here; did you mean 'depth'?"},
           Refused{"a = [1][1]\n", "x.py:1: index 1 of a list with 1 items"},
           Refused{"a = dict(b=1)['c']\n", "x.py:1: the dict has no key the text 'c'"},
           Refused{"a = dict(b=1, b=2)\n", "x.py:1: 'b' is given twice, first in line 1"},
           Refused{"a = dict(1, b=2)\n", "x.py:1: 1 cannot be gone through"},
           Refused{"a = {[1]: 2}\n", "x.py:1: a list cannot be a key"},
           Refused{"a = {'1': 1, 1: 2}\n", "x.py:1: the key '1' is there twice"},
           Refused{"a = {'': 1}\n", "x.py:1: a key is empty"},
           Refused{"a, b = 1, 2, 3\n", "x.py:1: there are 2 names for 3 values"},
           Refused{"a = range(3)\n", "x.py:1: a range cannot be a setting: make it a list"},
           Refused{"a = [i for i in [1]]\nb = i\n", "x.py:2: the name 'i' has no value here"},
           Refused{"a = '\\x0e'\n", "x.py:1: a text holds a control character"},
           Refused{"a = '\\ud800'\n", "x.py:1: not a character: \\u"},
           Refused{"a = 1\nb = '\xff'\n", "x.py:2: the text is not UTF-8"},
           Refused{"a = '{{_base_.x}}'\n", "x.py:1: {{_base_.x}} stands for a whole value"},
           Refused{"a = {{_base_.x}} + 1\n", "x.py:1: '+' cannot be applied to {{_base_.x}} and 1"},
           Refused{"a = {{_base_.x}}['y']\n", "x.py:1: {{_base_.x}} cannot be indexed"},
       }) {
    EXPECT_TRUE(python_error(text).starts_with(error)) << text << "\n" << python_error(text);
  }
}

TEST(PythonConfig, HostileTextEndsSoonInAnError) {
  std::string doubled = "a = [1]\n", growing = "a = 'x'\n", nested = "a = [1]\n";
  for (int i = 0; i < 60; ++i) doubled += "a = [a, a]\n";
  for (int i = 0; i < 60; ++i) growing += "a = a + a\n";
  for (int i = 0; i < 200; ++i) nested += "a = [a]\n";
  const std::string many(200'000, '-');
  for (const std::string& text :
       {std::string("a = 'a' * 10 ** 9\n"), std::string("a = [0] * 10 ** 18\n"),
        std::string("a = list(range(10 ** 12))\n"),
        std::string("a = [0 for i in range(1000) for j in range(1000) for k in range(1000)]\n"),
        std::string("a = sum(range(300000)) + sum(range(300000))\n"),
        std::string("a = dict(x='a' * 100000)\nb = [a] * 1000\n"),
        std::string("a = dict()\na.update(a=a)\n"), doubled, growing, nested,
        "a = " + std::string(100'000, '(') + "1\n", "a = " + std::string(100'000, '['),
        "a = " + many + "1\n", "a = 1" + std::string(50'000, '[') + "\n",
        "a = " + std::string(1'000, '{') + "\n", "a = 2 " + std::string(300'000, '*') + "\n",
        "a = not " + std::string(1'000, '(') + "\n", "a = b" + std::string(50'000, '.') + "\n"}) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_NE(python_error(text), "") << text.substr(0, 100);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5))
        << text.substr(0, 100);
  }
}

TEST(PythonConfig, LongChainsAreNoDeepNesting) {
  std::string text = "a = 0";
  for (int i = 0; i < 20'000; ++i) text += " + 1";
  EXPECT_EQ(read_python(text + "\n").at("a"), Config(20'000));
}

TEST(PythonConfig, RandomBytesNeverCrash) {
  const std::string alphabet = "ab1:-[]{}(),*'\"%#= \n\t.<_\\+ef/";
  std::mt19937 random(1);
  int valid = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text(1 + random() % 40, ' ');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    text.insert(0, "a=");
    try {
      const Config config = read_python(text);
      ++valid;
      ASSERT_EQ(Config::parse(config.to_yaml()), config) << text << "\n->\n" << config.to_yaml();
    } catch (const UsageError&) {
    }
  }
  EXPECT_GT(valid, 50);
}

TEST_F(PythonConfigFiles, BasesOfBothForms) {
  write("base.py", "model = dict(type='A', depth=50)\nlr = 0.1\n");
  write("middle.yaml", "_base_: base.py\nmodel: {depth: 18, width: '{{_base_.lr}}'}\n");
  const std::string file = write("child.py",
                                 "_base_ = ['middle.yaml']\n"
                                 "model = dict(style={{_base_.model.type}})\n");
  const Config config = Config::load(file);
  EXPECT_EQ(config, Config::parse("{model: {type: A, depth: 18, width: 0.1, style: A}, lr: 0.1}"));
  EXPECT_EQ(config.at("model").at("style").location(), file + ":2");
  EXPECT_EQ(config.at("lr").location(), (folder_ / "base.py").string() + ":2");
}

TEST_F(PythonConfigFiles, OverridesWorkAsOnYaml) {
  const std::string file = write(
      "c.py", "data = dict(train=dict(pipeline=[dict(type='A'), dict(type='B', scale=(1, 2))]))\n");
  Config config = Config::load(file);
  config.apply_override("data.train.pipeline.1.scale=(3,4)");
  config.apply_override("data.train.pipeline.0={type: C}");
  EXPECT_EQ(config.at("data").at("train").at("pipeline"),
            Config::parse("[{type: C}, {type: B, scale: [3, 4]}]"));
}

TEST_F(PythonConfigFiles, ErrorsOfInheritanceNameTheLine) {
  write("base.py", "\nmodel = dict(depth=50)\nlr = 1\n");
  const std::string over = write("over.py", "_base_ = 'base.py'\nlr = dict(a=1)\n");
  EXPECT_TRUE(test::error_of<UsageError>([&] {
                Config::load(over);
              }).starts_with(over + ":2: lr: a map cannot be merged into the base's value 1"));
  const std::string missing = write("missing.py", "_base_ = [\n    'base.py',\n    'gone.py']\n");
  EXPECT_EQ(test::error_of<UsageError>([&] { Config::load(missing); }),
            missing + ":3: _base_.1: no such file: " + (folder_ / "gone.py").string());
  const std::string twice = write("twice.py", "_base_ = ['base.py', 'base.py']\n");
  EXPECT_NE(test::error_of<UsageError>([&] { Config::load(twice); }).find("is in two bases"),
            std::string::npos);
  const std::string unknown =
      write("unknown.py", "_base_ = 'base.py'\nx = {{_base_.model.dept}}\n");
  EXPECT_EQ(test::error_of<UsageError>([&] { Config::load(unknown); }),
            unknown + ":2: x: the bases have no value for {{_base_.model.dept}}");
  const std::string alone = write("alone.py", "x = {{_base_.model}}\n");
  EXPECT_EQ(test::error_of<UsageError>([&] { Config::load(alone); }),
            alone + ":1: x: the bases have no value for {{_base_.model}}");
  const std::string cycle = write("cycle.py", "_base_ = './cycle.py'\n");
  EXPECT_NE(test::error_of<UsageError>([&] { Config::load(cycle); }).find("is its own base"),
            std::string::npos);
  const std::string reserved = write("reserved.py", "filename = 'x'\n");
  EXPECT_TRUE(test::error_of<UsageError>([&] {
                Config::load(reserved);
              }).starts_with(reserved + ":1: filename: a config may not have this key"));
}

TEST_F(PythonConfigFiles, TheFolderOfTheFileIsAbsolute) {
  const std::string file = write("here.py", "work = '{{ fileDirname }}/work'  # {{fileDirname}}\n");
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  const Config config = Config::load("here.py");
  fs::current_path(before);
  EXPECT_EQ(config.at("work").as_string(), fs::canonical(folder_).string() + "/work");
}

// MMDetection's files have names that only serve to write the file: whoever reads the settings can
// tell them from mistakes.
TEST_F(PythonConfigFiles, NamesThatTheFileUsesItselfAreVariables) {
  write("base.py", "scale = (1, 2)\ndata = dict(scale=scale)\nlr = 1\n");
  const std::string file = write(
      "c.py", "_base_ = 'base.py'\nscale = (3, 4)\nroot = 'x'\nnames = [root for i in '1']\n");
  const Config config = Config::load(file);
  EXPECT_TRUE(config.at("scale").is_variable());
  EXPECT_EQ(config.at("scale"), Config::parse("[3, 4]"));
  EXPECT_TRUE(config.at("root").is_variable());
  for (const char* name : {"data", "lr", "names"}) EXPECT_FALSE(config.at(name).is_variable());
}

TEST_F(PythonConfigFiles, ADeprecatedConfigWarns) {
  const std::string file =
      write("old.py", "_deprecation_ = dict(expected='new.py', reference='a page')\nx = 1\n");
  std::string warning;
  const WarningSink sink = set_warning_sink([&](std::string_view text) { warning = text; });
  const Config config = Config::load(file);
  set_warning_sink(sink);
  EXPECT_EQ(config, Config::parse("{x: 1}"));
  EXPECT_EQ(warning, file + ": this config will go; use new.py (a page)");
}

}  // namespace
}  // namespace kestrel
