#include <kestrel/autograd/functions/box_decode.h>

#include <algorithm>
#include <cmath>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

DType compute_dtype(const Variable& x) {
  return x.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
}

OpCase make_box_decode() {
  OpCase op{.name = "box_decode"};
  // Boxes reach a thousand pixels.
  op.float32 = {1e-3, 1e-5};
  const DeltaParams plain{.clip = false};
  const DeltaParams scaled{
      .means = {0.1, 0, -0.1, 0.2}, .stds = {0.1, 0.1, 0.2, 0.2}, .clip = false};
  DeltaParams tight = plain;
  tight.max_ratio = 0.5;
  DeltaParams upper = tight;
  upper.clamp_lower = false;
  DeltaParams clipped = plain;
  clipped.clip = true;
  struct Case {
    const char* name;
    int64_t n;
    DeltaParams params;
  };
  for (const Case& c : {Case{"none", 0, plain},
                        {"one", 1, plain},
                        {"some", 33, plain},
                        {"scaled", 33, scaled},
                        {"clamped", 33, tight},
                        {"clamped_above", 33, upper},
                        {"clipped", 33, clipped},
                        {"threads", 9000, plain}}) {
    std::vector<double> anchors;
    Philox random(3);
    for (int64_t i = 0; i < c.n; ++i) {
      const double x = random.uniform(0, 80), y = random.uniform(0, 60);
      const double box[] = {x, y, x + random.uniform(4, 40), y + random.uniform(4, 40)};
      anchors.insert(anchors.end(), box, box + 4);
    }
    const Tensor anchor_tensor = Tensor::from(anchors, {c.n, 4});
    op.configs.push_back(
        {.name = c.name,
         .inputs = {{"deltas", {c.n, 4}}},
         .run =
             [=](const Variables& in) {
               return Variables{
                   autograd::box_decode(anchor_tensor.to(compute_dtype(in[0])).to(in[0].device()),
                                        in[0], c.params, {100, 75})};
             },
         .reference =
             [=](const Arrays& in) {
               Array boxes({c.n, 4});
               for (int64_t i = 0; i < c.n; ++i) {
                 const double* a = &anchors[static_cast<size_t>(i * 4)];
                 for (int axis = 0; axis < 2; ++axis) {
                   const double side = a[axis + 2] - a[axis];
                   const auto delta = [&](int k) {
                     return in[0].at(i, k) * c.params.stds[k] + c.params.means[k];
                   };
                   const double low = c.params.clamp_lower ? -c.params.max_ratio : -1e300;
                   const double log_ratio = std::clamp(delta(axis + 2), low, c.params.max_ratio);
                   const double centre = a[axis] + side / 2 + delta(axis) * side;
                   const double half = side * std::exp(log_ratio) / 2;
                   const double limit = axis == 0 ? 100 : 75;
                   const auto place = [&](double v) {
                     return c.params.clip ? std::clamp(v, 0.0, limit) : v;
                   };
                   boxes.at(i, axis) = place(centre - half);
                   boxes.at(i, axis + 2) = place(centre + half);
                 }
               }
               return Arrays{boxes};
             }});
  }
  return op;
}

const OpCaseRegistration box_decode_case("box_decode", make_box_decode);

}  // namespace
}  // namespace kestrel::test
