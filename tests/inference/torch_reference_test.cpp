#include <gtest/gtest.h>

#include "../support/torch_reference.h"

namespace kestrel {
namespace {

// The images are computed here and in tests/golden/retinanet_torchvision.py from one hash; where
// they agree, so do the weights, which no file holds. Only the sums' order differs: 1e-12.
TEST(TorchReference, ImagesAreThoseOfTheScript) {
  for (const char* name : {"r18_frozen", "r18_frozen_odd", "r18_bn_gn", "r50_frozen"}) {
    const nlohmann::json reference = torch_reference::load_case(name);
    const Batch batch = torch_reference::make_batch(reference);
    EXPECT_LT(torch_reference::digest_error(batch.images, reference.at("images")), 1e-12) << name;
  }
}

TEST(TorchReference, WeightsHaveKestrelsNamesAndLayout) {
  const StateDict weights = torch_reference::make_weights(torch_reference::load_case("r18_bn_gn"));
  const auto find = [&](const std::string& name) {
    for (const auto& [key, tensor] : weights) {
      if (key == name) return tensor;
    }
    ADD_FAILURE() << "no " << name;
    return Tensor();
  };
  EXPECT_EQ(find("backbone.conv1.weight").shape(), (Shape{64, 7, 7, 3}));
  EXPECT_EQ(find("neck.lateral_convs.2.conv.weight").shape(), (Shape{64, 1, 1, 512}));
  EXPECT_EQ(find("bbox_head.cls_convs.3.conv.weight").shape(), (Shape{64, 3, 3, 64}));
  EXPECT_EQ(find("bbox_head.cls_convs.3.gn.bias").shape(), (Shape{64}));
  EXPECT_EQ(find("bbox_head.retina_reg.weight").shape(), (Shape{36, 3, 3, 64}));
}

}  // namespace
}  // namespace kestrel
