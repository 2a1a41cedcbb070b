#include <kestrel/layers/module.h>

#include <gtest/gtest.h>

#include <algorithm>

namespace kestrel {
namespace {

struct Leaf : Module {
  Leaf() {
    add_parameter("weight", Tensor::full({2, 3}, 1));
    add_parameter("bias", Tensor::full({2}, 2), false);
    add_buffer("running_mean", Tensor::full({2}, 3));
    add_buffer("absent", Tensor());
  }
};

struct Tree : Module {
  Tree() : conv(add<Leaf>("conv")), layers(add<ModuleList<Leaf>>("layers")) {
    layers.emplace();
    layers.emplace();
  }
  Leaf& conv;
  ModuleList<Leaf>& layers;
};

std::vector<std::string> names(const StateDict& state) {
  std::vector<std::string> result;
  for (const auto& [name, tensor] : state) result.push_back(name);
  return result;
}

/// The message of the error that loading `state` into `module` throws; "" where it throws none.
std::string load_error(Module& module, const StateDict& state) {
  try {
    module.load_state_dict(state);
  } catch (const ModelFileError& error) {
    return error.what();
  }
  return "";
}

/// A copy that does not share the module's memory.
StateDict copy(const StateDict& state) {
  StateDict result;
  for (const auto& [name, tensor] : state) result.emplace_back(name, tensor.clone());
  return result;
}

TEST(Module, NamesItsStateWithDots) {
  const Tree tree;
  EXPECT_EQ(
      names(tree.state_dict()),
      (std::vector<std::string>{"conv.weight", "conv.bias", "conv.running_mean", "layers.0.weight",
                                "layers.0.bias", "layers.0.running_mean", "layers.1.weight",
                                "layers.1.bias", "layers.1.running_mean"}));
  EXPECT_EQ(names(tree.named_buffers()).size(), 3u);
  EXPECT_EQ(tree.named_parameters().size(), 6u);
}

TEST(Module, CountsParameters) {
  const Tree tree;
  EXPECT_EQ(tree.parameter_count(), 3 * 8);
  EXPECT_EQ(tree.parameter_count(true), 3 * 6);
}

TEST(Module, StateSharesMemoryWithTheModule) {
  Tree tree;
  tree.state_dict()[0].second.fill(5);
  EXPECT_EQ(tree.named_parameters()[0].second.data().values<float>()[0], 5.f);
}

TEST(Module, LoadsByNameInAnyOrder) {
  Tree source, target;
  for (auto& [name, tensor] : source.state_dict()) tensor.fill(static_cast<double>(name.size()));
  StateDict state = copy(source.state_dict());
  std::reverse(state.begin(), state.end());
  target.load_state_dict(state);
  for (const auto& [name, tensor] : target.state_dict()) {
    EXPECT_EQ(tensor.values<float>()[0], static_cast<float>(name.size())) << name;
  }
}

TEST(Module, LoadingCopiesAndConverts) {
  Tree tree;
  StateDict state;
  for (const auto& [name, tensor] : tree.state_dict()) {
    state.emplace_back(name, Tensor::full(tensor.shape(), 0.5, DType::BFloat16));
  }
  tree.load_state_dict(state);
  for (auto& [name, tensor] : state) tensor.fill(9);
  for (const auto& [name, tensor] : tree.state_dict()) {
    EXPECT_EQ(tensor.dtype(), DType::Float32);
    EXPECT_EQ(tensor.values<float>()[0], 0.5f) << name;
  }
}

TEST(Module, AllMisfitsAreListedTogetherAndNothingChanges) {
  Tree tree;
  StateDict state = copy(tree.state_dict());
  for (auto& [name, tensor] : state) tensor.fill(7);
  state[0].first = "conv.kernel";                           // One missing, one unexpected...
  state[3].second = Tensor::full({3, 2}, 7);                // ... one of another shape ...
  state.emplace_back("head.weight", Tensor::full({1}, 7));  // ... and another unexpected.
  const std::string error = load_error(tree, state);
  for (const char* part :
       {"1 missing, 2 unexpected, 1 of another shape", "missing: conv.weight (2, 3)",
        "unexpected: conv.kernel", "unexpected: head.weight",
        "layers.0.weight is (2, 3) in the model, (3, 2) in the file"}) {
    EXPECT_NE(error.find(part), std::string::npos) << part << " is not in:\n" << error;
  }
  for (const auto& [name, tensor] : tree.state_dict()) {
    EXPECT_LT(tensor.values<float>()[0], 7.f) << name;
  }
}

TEST(Module, SameNumberOfElementsInAnotherShapeIsAMisfit) {
  Leaf leaf;
  StateDict state = copy(leaf.state_dict());
  state[0].second = state[0].second.reshape({6});
  EXPECT_NE(load_error(leaf, state), "");
}

TEST(Module, TrainAndEvalReachAllChildren) {
  Tree tree;
  tree.eval();
  for (const auto& [name, module] : tree.named_modules()) EXPECT_FALSE(module->training()) << name;
  tree.train();
  for (const auto& [name, module] : tree.named_modules()) EXPECT_TRUE(module->training()) << name;
}

TEST(Module, FrozenPartsStayInEvaluation) {
  struct Frozen : Leaf {
    void on_train(bool) override {
      if (training()) train(false);
    }
  };
  struct Parent : Module {
    Parent() : frozen(add<Frozen>("frozen")), free(add<Leaf>("free")) {}
    Frozen& frozen;
    Leaf& free;
  };
  Parent parent;
  parent.train();
  EXPECT_FALSE(parent.frozen.training());
  EXPECT_TRUE(parent.free.training());
}

TEST(Module, ZeroGradForgetsGradients) {
  Leaf leaf;
  leaf.parameters()[0].grad() = Tensor::full({2, 3}, 1);
  leaf.zero_grad();
  EXPECT_FALSE(leaf.parameters()[0].grad().defined());
}

TEST(Module, MissingChildrenAndDoubleNamesThrow) {
  struct Missing : Module {
    Missing() { adopt<Leaf>("leaf", nullptr); }
  };
  EXPECT_THROW(Missing(), Error);
  struct Twice : Module {
    Twice() {
      add_parameter("weight", Tensor::zeros({1}));
      add_parameter("weight", Tensor::zeros({1}));
    }
  };
  EXPECT_THROW(Twice(), Error);
  struct TwoChildren : Module {
    TwoChildren() {
      add<Leaf>("leaf");
      add<Leaf>("leaf");
    }
  };
  EXPECT_THROW(TwoChildren(), Error);
}

}  // namespace
}  // namespace kestrel
