#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/batch_norm.h>
#include <kestrel/autograd/functions/conv2d.h>
#include <kestrel/autograd/functions/deform_conv2d.h>
#include <kestrel/autograd/functions/pooling.h>
#include <kestrel/autograd/functions/shape_ops.h>
#include <kestrel/detection/backbones/resnet.h>
#include <kestrel/registry/options.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

/// A thin ResNet-50.
ResNetOptions thin(std::optional<DcnOptions> dcn) {
  return {.base_channels = 8,
          .num_stages = 2,
          .out_indices = {0, 1},
          .dcn = dcn,
          .stage_with_dcn = {false, true}};
}

Variable images() {
  Tensor x = Tensor::empty({1, 40, 48, 3});
  Philox random(11);
  fill_normal(x, 0, 1, random);
  return Variable(x);
}

/// The names of the parameters that belong to deformable convolutions alone.
std::vector<std::string> offset_names(const ResNetOptions& options) {
  std::vector<std::string> names;
  for (const auto& [name, parameter] : ResNet(options).named_parameters()) {
    if (name.find("conv_offset") != std::string::npos) names.push_back(name);
  }
  return names;
}

TEST(ResNetDcn, HasTheNamesAndShapesOfMMDetection) {
  EXPECT_EQ(offset_names(thin({})), std::vector<std::string>{});
  const ResNet first(thin(DcnOptions{.deform_groups = 2}));
  std::map<std::string, Shape> shapes;
  for (const auto& [name, parameter] : first.named_parameters()) shapes[name] = parameter.shape();
  for (const char* block : {"layer2.0", "layer2.1", "layer2.2", "layer2.3"}) {
    const std::string conv = std::string(block) + ".conv2";
    EXPECT_EQ(shapes.at(conv + ".weight"), Shape({16, 3, 3, 16})) << conv;
    EXPECT_EQ(shapes.at(conv + ".conv_offset.weight"), Shape({2 * 18, 3, 3, 16})) << conv;
    EXPECT_EQ(shapes.at(conv + ".conv_offset.bias"), Shape({2 * 18})) << conv;
    EXPECT_EQ(shapes.count(conv + ".bias"), 0u) << conv;
  }
  EXPECT_EQ(shapes.count("layer1.0.conv2.conv_offset.weight"), 0u);
  const ResNet second(thin(DcnOptions{.type = DeformConvType::DCNv2}));
  for (const auto& [name, parameter] : second.named_parameters()) {
    EXPECT_NE(name, "layer2.0.conv2.bias");
    if (name == "layer2.0.conv2.conv_offset.bias") {
      EXPECT_EQ(parameter.shape(), Shape({27}));
    }
  }
}

TEST(ResNetDcn, FallbackIsUsedUpByTheFirstBlock) {
  const std::vector<std::string> names = offset_names(thin(DcnOptions{.fallback_on_stride = true}));
  EXPECT_EQ(names.size(), 6u);
  EXPECT_EQ(names.front(), "layer2.1.conv2.conv_offset.weight");
}

TEST(ResNetDcn, VersionOneStartsAsTheResNetWithoutIt) {
  ResNetOptions options = thin(DcnOptions{});
  options.zero_init_residual = false;
  ResNet deformable(options);
  options.dcn.reset();
  ResNet plain(options);
  Philox random(5);
  deformable.init_weights(random);
  StateDict state = deformable.state_dict();
  std::erase_if(
      state, [](const auto& item) { return item.first.find("conv_offset") != std::string::npos; });
  plain.load_state_dict(state);
  deformable.eval();
  plain.eval();
  const autograd::NoGrad no_grad;
  const Tensor got = deformable.forward(images())[1].data();
  const Tensor want = plain.forward(images())[1].data();
  ASSERT_EQ(got.shape(), want.shape());
  for (int64_t i = 0; i < got.numel(); ++i) {
    ASSERT_NEAR(got.data<float>()[i], want.data<float>()[i],
                1e-4 * (1 + std::abs(want.data<float>()[i])));
  }
}

/// A ResNet's second stage from its parameters, written out as torchvision's operators would.
class SecondStage {
 public:
  explicit SecondStage(const StateDict& state) : state_(state.begin(), state.end()) {}

  Variable forward(Variable x) const {
    for (int block = 0; block < 4; ++block) {
      const std::string name = "layer2." + std::to_string(block) + ".";
      const int64_t stride = block == 0 ? 2 : 1;
      Variable y = norm(name + "bn1", autograd::conv2d(x, at(name + "conv1.weight"), {}, {}), true);
      y = norm(name + "bn2", deform(name + "conv2", y, stride), true);
      y = norm(name + "bn3", autograd::conv2d(y, at(name + "conv3.weight"), {}, {}), false);
      if (block == 0) {
        x = norm(name + "downsample.1",
                 autograd::conv2d(x, at(name + "downsample.0.weight"), {},
                                  {.stride_h = stride, .stride_w = stride}),
                 false);
      }
      x = autograd::relu(autograd::add(x, y));
    }
    return x;
  }

 private:
  Variable at(const std::string& name) const { return Variable(state_.at(name)); }
  Variable norm(const std::string& name, const Variable& x, bool relu) const {
    Tensor mean = state_.at(name + ".running_mean"), variance = state_.at(name + ".running_var");
    return autograd::batch_norm(x, at(name + ".weight"), at(name + ".bias"), mean, variance,
                                {.training = false, .relu = relu});
  }
  Variable deform(const std::string& name, const Variable& x, int64_t stride) const {
    const Variable predicted =
        autograd::conv2d(x, at(name + ".conv_offset.weight"), at(name + ".conv_offset.bias"),
                         {.stride_h = stride, .stride_w = stride, .pad_h = 1, .pad_w = 1});
    return autograd::deform_conv2d(
        x, autograd::narrow(predicted, -1, 0, 36),
        autograd::sigmoid(autograd::narrow(predicted, -1, 36, 54)), at(name + ".weight"), {},
        {.stride_h = stride, .stride_w = stride, .pad_h = 1, .pad_w = 1, .deform_groups = 2});
  }

  std::map<std::string, Tensor> state_;
};

TEST(ResNetDcn, ForwardIsTheCompositionOfItsParts) {
  ResNet net(thin(DcnOptions{.type = DeformConvType::DCNv2, .deform_groups = 2}));
  Philox random(5);
  net.init_weights(random);
  for (auto& [name, parameter] : net.named_parameters()) {
    // Offsets of a pixel or so, and no residual branch that is zero.
    if (name.find("conv_offset") != std::string::npos || name.ends_with("bn3.weight")) {
      Tensor values = parameter.data();
      fill_uniform(values, -0.3, 0.3, random);
    }
  }
  net.eval();
  const autograd::NoGrad no_grad;
  const std::vector<Variable> outputs = net.forward(images());
  const Tensor want = SecondStage(net.state_dict()).forward(outputs[0]).data();
  const Tensor got = outputs[1].data();
  ASSERT_EQ(got.shape(), want.shape());
  for (int64_t i = 0; i < got.numel(); ++i) {
    ASSERT_NEAR(got.data<float>()[i], want.data<float>()[i],
                1e-4 * (1 + std::abs(want.data<float>()[i])));
  }
}

TEST(ResNetDcn, OffsetsStartAtZeroAndLearn) {
  for (const DeformConvType type : {DeformConvType::DCN, DeformConvType::DCNv2}) {
    ResNetOptions options = thin(DcnOptions{.type = type});
    options.zero_init_residual = false;
    ResNet net(options);
    Philox random(5);
    net.init_weights(random);
    const Variable y = net.forward(images())[1];
    y.backward(Tensor::full(y.shape(), 1));
    for (const auto& [name, parameter] : net.named_parameters()) {
      if (name.find("conv_offset") == std::string::npos) continue;
      const auto is_zero = [](float value) { return value == 0; };
      EXPECT_TRUE(std::ranges::all_of(parameter.data().values<float>(), is_zero)) << name;
      EXPECT_FALSE(std::ranges::all_of(parameter.grad().values<float>(), is_zero)) << name;
    }
  }
}

TEST(ResNetDcn, IsReadFromMMDetectionsOptions) {
  const Config node = Config::parse(
      "{depth: 101, dcn: {type: DCNv2, deform_groups: 4, fallback_on_stride: false}, "
      "stage_with_dcn: [false, true, true, true]}");
  const auto options = read_options<ResNetOptions>(node);
  ASSERT_TRUE(options.dcn);
  EXPECT_EQ(options.dcn->type, DeformConvType::DCNv2);
  EXPECT_EQ(options.dcn->deform_groups, 4);
  EXPECT_EQ(options.stage_with_dcn, (std::vector<bool>{false, true, true, true}));
  EXPECT_THROW(read_options<ResNetOptions>(Config::parse("{dcn: {type: DCNv3}}")), Error);
}

TEST(ResNetDcn, RefusesWhatCannotBeDeformable) {
  EXPECT_THROW(ResNet({.depth = 18, .dcn = DcnOptions{}}), UsageError);
  EXPECT_THROW(ResNet({.dcn = DcnOptions{}, .stage_with_dcn = {true}}), UsageError);
}

}  // namespace
}  // namespace kestrel
