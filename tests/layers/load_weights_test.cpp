#include <kestrel/layers/load_weights.h>

#include <gtest/gtest.h>

#include <kestrel/layers/linear.h>

namespace kestrel {
namespace {

struct Model : Module {
  explicit Model(int64_t classes)
      : backbone(add<Linear>("backbone", 3, 4)), head(add<Linear>("bbox_head", 4, classes)) {}
  Linear& backbone;
  Linear& head;
};

StateDict filled(Module& module, double value) {
  StateDict state;
  for (const auto& [name, tensor] : module.state_dict()) {
    state.emplace_back(name, Tensor::full(tensor.shape(), value));
  }
  return state;
}

float first(Module& module, const std::string& wanted) {
  for (const auto& [name, tensor] : module.state_dict()) {
    if (name == wanted) return tensor.values<float>()[0];
  }
  return -1;
}

std::string error_of(Module& module, const StateDict& state, const LoadRules& rules) {
  try {
    load_weights(module, state, rules);
  } catch (const ModelFileError& error) {
    return error.what();
  }
  return "no error";
}

TEST(LoadWeights, AHeadForOtherClassesStaysAsItIs) {
  Model source(80), target(5);
  for (auto& [name, tensor] : target.state_dict()) tensor.fill(1);
  const StateDict weights = filled(source, 7);
  EXPECT_NE(error_of(target, weights, {}).find("2 of another shape"), std::string::npos);
  EXPECT_EQ(first(target, "backbone.weight"), 1.0F) << "changed though it was refused";

  const LoadReport report = load_weights(target, weights, {.may_differ = {"bbox_head."}});
  EXPECT_EQ(report.loaded, 2);
  EXPECT_FALSE(report.complete());
  EXPECT_EQ(report.differences(),
            "0 missing, 0 unexpected, 2 of another shape\n"
            "  shape: bbox_head.weight is (5, 4) in the model, (80, 4) in the file\n"
            "  shape: bbox_head.bias is (5) in the model, (80) in the file");
  EXPECT_EQ(first(target, "backbone.weight"), 7.0F);
  EXPECT_EQ(first(target, "bbox_head.weight"), 1.0F);
}

TEST(LoadWeights, OnlyWhatTheRulesNameMayDiffer) {
  Model model(5);
  StateDict weights = filled(model, 7);
  weights[0].first = "backbone.kernel";
  const std::string error = error_of(model, weights, {.may_differ = {"bbox_head."}});
  EXPECT_NE(error.find("missing: backbone.weight (4, 3)"), std::string::npos) << error;
  EXPECT_NE(error.find("unexpected: backbone.kernel (4, 3)"), std::string::npos) << error;
  const LoadReport report = load_weights(model, weights, {.may_differ = {""}});
  EXPECT_EQ(report.loaded, 3);
  EXPECT_EQ(report.missing, std::vector<std::string>{"backbone.weight (4, 3)"});
  EXPECT_EQ(report.unexpected, std::vector<std::string>{"backbone.kernel (4, 3)"});
}

TEST(LoadWeights, APrefixChoosesAndIsCutOff) {
  Model detector(5);
  Linear backbone(3, 4);
  const LoadReport report = load_weights(backbone, filled(detector, 7), {.prefix = "backbone."});
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(report.loaded, 2);
  EXPECT_EQ(first(backbone, "weight"), 7.0F);
}

TEST(LoadWeights, NothingThatFitsIsAnError) {
  Model model(5);
  Linear other(2, 2);
  EXPECT_NE(error_of(model, filled(other, 7), {.may_differ = {""}}).find("do not fit"),
            std::string::npos);
  EXPECT_NE(error_of(model, {}, {.may_differ = {""}}).find("4 missing"), std::string::npos);
  EXPECT_NE(error_of(model, filled(model, 7), {.prefix = "teacher.", .may_differ = {""}})
                .find("4 missing"),
            std::string::npos);
}

StateDict renamed(const StateDict& weights, const std::string& prefix) {
  StateDict result;
  for (const auto& [name, tensor] : weights) result.emplace_back(prefix + name, tensor);
  return result;
}

TEST(LoadWeights, APrefixThatExplainsAllIsTakenOff) {
  for (const std::string prefix : {"backbone.", "module.", "model.", "module.model.net.", "x."}) {
    Model model(5);
    const LoadReport report = load_weights(model, renamed(filled(model, 7), prefix));
    EXPECT_TRUE(report.complete()) << prefix;
    EXPECT_EQ(report.prefix, prefix);
    EXPECT_EQ(first(model, "bbox_head.weight"), 7.0F);
  }
  // A head for other classes under a prefix; and a classifier's backbone with its fc.
  Model source(80), target(5);
  const LoadReport head =
      load_weights(target, renamed(filled(source, 7), "model."), {.may_differ = {"bbox_head."}});
  EXPECT_EQ(head.prefix, "model.");
  EXPECT_EQ(head.reshaped.size(), 2U);
  Linear backbone(3, 4);
  StateDict classifier = renamed(filled(backbone, 3), "backbone.");
  classifier.emplace_back("backbone.fc.weight", Tensor::zeros({2, 4}));
  EXPECT_EQ(load_weights(backbone, classifier, {.may_differ = {"fc."}}).prefix, "backbone.");
  EXPECT_EQ(first(backbone, "weight"), 3.0F);
}

TEST(LoadWeights, APrefixThatDoesNotExplainAllStaysAndIsMentioned) {
  Model model(5);
  StateDict weights = renamed(filled(model, 7), "model.");
  weights.emplace_back("loss.weight", Tensor::zeros({1}));
  const std::string error = error_of(model, weights, {});
  EXPECT_NE(error.find("4 of 5 names fit without 'model.' in front"), std::string::npos) << error;
  EXPECT_EQ(first(model, "backbone.weight") == 7.0F, false);
  Linear alone(3, 4);
  const std::string part = error_of(model, filled(alone, 7), {});
  EXPECT_NE(part.find("2 of 2 names fit with 'backbone.' in front"), std::string::npos) << part;
}

TEST(LoadWeights, FiveNamesAndACountAreEnough) {
  Model model(5);
  StateDict weights;
  for (int i = 0; i < 202; ++i) {
    weights.emplace_back("layer" + std::to_string(i) + ".w", Tensor::zeros({1}));
  }
  const std::string error = error_of(model, weights, {});
  EXPECT_NE(error.find("4 missing, 202 unexpected"), std::string::npos) << error;
  EXPECT_NE(error.find("unexpected: layer4.w"), std::string::npos) << error;
  EXPECT_EQ(error.find("layer5.w"), std::string::npos) << error;
  EXPECT_NE(error.find("unexpected: and 197 more"), std::string::npos) << error;
}

}  // namespace
}  // namespace kestrel
