#include <kestrel/registry/registry.h>

#include <cmath>

#include <gtest/gtest.h>

#include "../support/error_of.h"

namespace kestrel {
namespace {

enum class Style { PyTorch, Caffe };
constexpr auto enum_names(Style) {
  return std::array{std::pair{Style::PyTorch, "pytorch"}, std::pair{Style::Caffe, "caffe"}};
}

struct NormOptions {
  std::string type = "BN";
  bool requires_grad = true;
  template <class V>
  void visit(V& v) {
    v("type", type);
    v("requires_grad", requires_grad);
  }
};

struct NetOptions {
  int depth = 50;
  int64_t frozen_stages = -1;
  float ratio = 0.25f;
  double eps = 1e-5;
  bool norm_eval = false;
  std::vector<int64_t> out_indices = {0, 1, 2, 3};
  std::vector<std::vector<double>> anchors;
  std::vector<bool> stage_with_dcn;
  std::pair<int, int> img_scale = {1333, 800};
  std::array<double, 4> stds = {1, 1, 1, 1};
  std::optional<NormOptions> norm_cfg;
  std::optional<double> clip;
  std::vector<NormOptions> norms;
  Style style = Style::PyTorch;
  Config init_cfg;
  template <class V>
  void visit(V& v) {
    v("depth", depth);
    v("frozen_stages", frozen_stages);
    v("ratio", ratio);
    v("eps", eps);
    v("norm_eval", norm_eval);
    v("out_indices", out_indices);
    v("anchors", anchors);
    v("stage_with_dcn", stage_with_dcn);
    v("img_scale", img_scale);
    v("stds", stds);
    v("norm_cfg", norm_cfg);
    v("clip", clip);
    v("norms", norms);
    v("style", style);
    v("init_cfg", init_cfg);
  }
};

struct Backbone {
  virtual ~Backbone() = default;
  virtual int depth() const = 0;
};

struct Net final : Backbone {
  explicit Net(NetOptions o) : options(std::move(o)) {}
  int depth() const override { return options.depth; }
  NetOptions options;
};

const Registration<Backbone, Net, NetOptions> kNet{"Net"};

struct Dataset {
  virtual ~Dataset() = default;
  int seed = 0;
};
struct Shapes final : Dataset {
  Shapes(const NormOptions&, int s) { seed = s; }
};
const Registration<Dataset, Shapes, NormOptions, int> kShapes{"Shapes"};

TEST(Options, ReadsEveryKindOfMember) {
  const auto options = read_options<NetOptions>(Config::parse(R"(
depth: 18
frozen_stages: 1
ratio: 2
norm_eval: true
out_indices: [3]
anchors: [[1, 2.5], []]
stage_with_dcn: [false, true]
img_scale: [640, 480]
stds: [0.1, 0.1, 0.2, 0.2]
norm_cfg: {type: GN}
clip: 35
norms: [{requires_grad: false}, {}]
style: caffe
init_cfg: {type: Pretrained, checkpoint: x}
)"));
  EXPECT_EQ(options.depth, 18);
  EXPECT_EQ(options.frozen_stages, 1);
  EXPECT_EQ(options.ratio, 2.0f);
  EXPECT_EQ(options.eps, 1e-5);
  EXPECT_TRUE(options.norm_eval);
  EXPECT_EQ(options.out_indices, (std::vector<int64_t>{3}));
  EXPECT_EQ(options.anchors, (std::vector<std::vector<double>>{{1, 2.5}, {}}));
  EXPECT_EQ(options.stage_with_dcn, (std::vector<bool>{false, true}));
  EXPECT_EQ(options.img_scale, (std::pair{640, 480}));
  EXPECT_EQ(options.stds, (std::array{0.1, 0.1, 0.2, 0.2}));
  ASSERT_TRUE(options.norm_cfg);
  EXPECT_EQ(options.norm_cfg->type, "GN");
  EXPECT_EQ(options.clip, 35.0);
  ASSERT_EQ(options.norms.size(), 2u);
  EXPECT_FALSE(options.norms[0].requires_grad);
  EXPECT_EQ(options.style, Style::Caffe);
  EXPECT_EQ(options.init_cfg.at("type").as_string(), "Pretrained");
}

TEST(Options, AreWrittenAndReadBackEqual) {
  NetOptions options;
  options.depth = 101;
  options.ratio = 0.1f;
  options.anchors = {{1, 2}, {}};
  options.clip = 0.5;
  options.style = Style::Caffe;
  options.init_cfg = Config::parse("{type: Normal, std: 0.01}");
  options.stage_with_dcn = {true, false};
  const Config written = write_options(options, "Net");
  EXPECT_EQ(written.entries().front().key, "type");
  const auto read = read_options<NetOptions>(Config::parse(written.to_yaml()), {}, {"type"});
  EXPECT_EQ(write_options(read, "Net"), written);
  EXPECT_EQ(read.ratio, 0.1f);
  EXPECT_FALSE(read.norm_cfg);
  EXPECT_EQ(build<Backbone>(written)->depth(), 101);
}

TEST(Options, ErrorsSayWhereAndWhatWasMeant) {
  const auto read = [](const std::string& text) {
    return test::error_of([&] {
      const Config config = Config::parse(text, "configs/x.yaml");
      read_options<NetOptions>(config.at("model").at("backbone"));
    });
  };
  const std::string head = "model:\n  backbone:\n    ";
  EXPECT_EQ(read(head + "frozen_stage: 1"),
            "configs/x.yaml:3: model.backbone: unknown key 'frozen_stage'; did you mean "
            "'frozen_stages'?");
  EXPECT_EQ(read(head + "zzzzzz: 1"), "configs/x.yaml:3: model.backbone: unknown key 'zzzzzz'");
  EXPECT_EQ(read(head + "type: Net"), "configs/x.yaml:3: model.backbone: unknown key 'type'");
  EXPECT_EQ(read(head + "norm_cfg: {tpye: BN}"),
            "configs/x.yaml:3: model.backbone.norm_cfg: unknown key 'tpye'; did you mean 'type'?");
  EXPECT_EQ(read(head + "out_indices: [0, x]"),
            "configs/x.yaml:3: model.backbone.out_indices.1: expected an integer, got \"x\"");
  EXPECT_EQ(read(head + "img_scale: [1, 2, 3]"),
            "configs/x.yaml:3: model.backbone.img_scale: expected 2 items, got 3");
  EXPECT_EQ(read(head + "style: cafe"),
            "configs/x.yaml:3: model.backbone.style: expected one of pytorch, caffe, got \"cafe\"; "
            "did you mean 'caffe'?");
  EXPECT_EQ(read(head + "style: 3"),
            "configs/x.yaml:3: model.backbone.style: expected one of pytorch, caffe, got 3");
  EXPECT_EQ(read(head + "depth: 5000000000"),
            "configs/x.yaml:3: model.backbone.depth: 5000000000 does not fit this setting");
  EXPECT_EQ(read(head + "depth: null"),
            "configs/x.yaml:3: model.backbone.depth: expected an integer, got null");
  EXPECT_EQ(read("model:\n  backbone: 3"),
            "configs/x.yaml:2: model.backbone: expected a map, got 3");
}

TEST(Registry, BuildsByName) {
  const Config config = Config::parse("{type: Net, depth: 34}");
  EXPECT_EQ(build<Backbone>(config)->depth(), 34);
  EXPECT_EQ((build<Dataset, int>(Config::parse("{type: Shapes}"), 7)->seed), 7);
}

TEST(Registry, NamesWhatItHasNot) {
  const Config config =
      Config::parse("a:\n  type: Nett\nb: {depth: 1}\nc: 3\nd: {type: Net, dept: 1}", "x.yaml");
  EXPECT_EQ(
      test::error_of([&] { build<Backbone>(config.at("a")); }),
      "x.yaml:2: a.type: nothing is registered as 'Nett'; did you mean 'Net'? (there are: Net)");
  EXPECT_EQ(test::error_of([&] { build<Backbone>(config.at("b")); }),
            "x.yaml:3: b: needs a key 'type', one of: Net");
  EXPECT_EQ(test::error_of([&] { build<Backbone>(config.at("c")); }),
            "x.yaml:4: c: expected a map with a key 'type', got 3");
  EXPECT_EQ(test::error_of([&] { build<Backbone>(config.at("d")); }),
            "x.yaml:5: d: unknown key 'dept'; did you mean 'depth'?");
}

TEST(Registry, ANameForTwoComponentsIsRefused) {
  struct Thing {
    virtual ~Thing() = default;
  };
  auto& registry = Registry<Thing>::instance();
  const auto make = [](const Config&) { return std::make_unique<Thing>(); };
  registry.add("One", make);
  EXPECT_NE(registry.build(Config::parse("{type: One}")), nullptr);
  registry.add("One", make);
  EXPECT_EQ(test::error_of([&] { registry.build(Config::parse("{type: One}")); }),
            "[registry] two components are registered as 'One'");
}

TEST(NearestName, IsNearOrNothing) {
  const std::vector<std::string> names = {"frozen_stages", "norm_eval", "depth", "lr", "ResNet"};
  EXPECT_EQ(nearest_name("frozen_stage", names), "frozen_stages");
  EXPECT_EQ(nearest_name("forzen_stages", names), "frozen_stages");
  EXPECT_EQ(nearest_name("resnet", names), "ResNet");
  EXPECT_EQ(nearest_name("l", names), "lr");
  EXPECT_EQ(nearest_name("momentum", names), std::nullopt);
  EXPECT_EQ(nearest_name("", names), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(1'000'000, 'x'), names), std::nullopt);
}

}  // namespace
}  // namespace kestrel
