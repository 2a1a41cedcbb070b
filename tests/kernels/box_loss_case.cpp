#include <kestrel/autograd/functions/box_loss.h>

#include <algorithm>
#include <cmath>

#include "../support/op_case.h"

namespace kestrel::testing {
namespace {

DType compute_dtype(const Variable& x) {
  return x.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
}

/// Loss of one row of four numbers.
double row_loss(const double* p, const double* t, const BoxLossParams& params) {
  double total = 0;
  if (params.kind == BoxLossKind::L1 || params.kind == BoxLossKind::SmoothL1) {
    for (int i = 0; i < 4; ++i) {
      const double d = std::abs(p[i] - t[i]);
      const bool square = params.kind == BoxLossKind::SmoothL1 && d < params.beta;
      const double offset = params.kind == BoxLossKind::SmoothL1 ? params.beta / 2 : 0;
      total += square ? d * d / (2 * params.beta) : d - offset;
    }
    return total;
  }
  const auto area = [](const double* b) { return (b[2] - b[0]) * (b[3] - b[1]); };
  const double inter = std::max(std::min(p[2], t[2]) - std::max(p[0], t[0]), 0.0) *
                       std::max(std::min(p[3], t[3]) - std::max(p[1], t[1]), 0.0);
  const double both = area(p) + area(t) - inter;
  const double iou = inter / both;
  const double bounded = std::max(iou, params.eps);
  switch (params.kind) {
    case BoxLossKind::IouLog:
      return -std::log(bounded);
    case BoxLossKind::IouLinear:
      return 1 - bounded;
    case BoxLossKind::IouSquare:
      return 1 - bounded * bounded;
    default: {
      const double hull = (std::max(p[2], t[2]) - std::min(p[0], t[0])) *
                          (std::max(p[3], t[3]) - std::min(p[1], t[1]));
      return 1 - (iou - (hull - both) / hull);
    }
  }
}

/// Boxes, or any numbers, in multiples of 1/4, which bfloat16 holds up to 64.
std::vector<double> rows(int64_t n, bool boxes, uint64_t seed) {
  Philox random(seed);
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i) {
    double b[4];
    for (double& v : b) v = 0.25 * static_cast<double>(random.integer(0, 100));
    if (boxes) {
      b[2] = b[0] + 4 + b[2];
      b[3] = b[1] + 4 + b[3];
    }
    values.insert(values.end(), b, b + 4);
  }
  return values;
}

OpCase make(const std::string& name, const BoxLossParams& params) {
  OpCase op{.name = name};
  const bool boxes = params.kind != BoxLossKind::L1 && params.kind != BoxLossKind::SmoothL1;
  // Up to 3,000 rows of a loss of some tens, summed in double and rounded once.
  op.float32 = {1e-5, 2e-6};
  // torchvision adds its eps of 1e-7 to areas of some hundreds, where we take the larger of both.
  op.float64 = {1e-9, 1e-9};
  for (const int64_t n : {0, 1, 5, 3000}) {
    // Shifted by an odd eighth, so that no difference is at a kink.
    std::vector<double> pred = rows(n, boxes, 1);
    for (double& v : pred) v += 0.125;
    const std::vector<double> target = rows(n, boxes, 2);
    std::vector<double> weights;
    for (int64_t i = 0; i < n; ++i) weights.push_back(0.5 * static_cast<double>(i % 3));
    BoxLossParams scaled = params;
    scaled.scale = n > 5 ? 0.01 : 1.0;
    op.configs.push_back(
        {.name = std::to_string(n),
         .inputs = {{.name = "pred", .shape = {n, 4}, .values = pred}},
         .run =
             [=](const Variables& in) {
               const DType dtype = compute_dtype(in[0]);
               return Variables{autograd::box_loss(
                   in[0], Tensor::from(target, {n, 4}).to(dtype).to(in[0].device()),
                   Tensor::from(weights, {n}).to(dtype).to(in[0].device()), scaled)};
             },
         .reference =
             [=](const Arrays& in) {
               Array total(Shape{});
               for (int64_t i = 0; i < n; ++i) {
                 total[0] += scaled.scale * weights[static_cast<size_t>(i)] *
                             row_loss(&in[0].values[static_cast<size_t>(i * 4)],
                                      &target[static_cast<size_t>(i * 4)], params);
               }
               return Arrays{total};
             }});
  }
  return op;
}

/// Adds the reference values of PyTorch for losses of one kind.
OpCase with_goldens(OpCase op, const std::string& kind, BoxLossKind code) {
  op.goldens.push_back(
      {.file = "ops_regression.safetensors",
       .inputs = {"prediction"},
       .output = "loss",
       .run =
           [code](const Variables& in, const nlohmann::json& p,
                  const std::function<Tensor(const std::string&)>& tensor) {
             return autograd::box_loss(
                 in[0], tensor("target").to(compute_dtype(in[0])).to(in[0].device()), {},
                 {.kind = code, .beta = p.value("beta", 1.0), .eps = p.value("eps", 1e-6)});
           },
       .selects = [kind](const nlohmann::json& p) { return p.at("kind") == kind; }});
  return op;
}

const OpCaseRegistration l1_case("l1_loss", [] {
  return with_goldens(make("l1_loss", {}), "l1", BoxLossKind::L1);
});
const OpCaseRegistration smooth_l1_case("smooth_l1_loss", [] {
  return with_goldens(make("smooth_l1_loss", {.kind = BoxLossKind::SmoothL1, .beta = 3.3}),
                      "smooth_l1", BoxLossKind::SmoothL1);
});
const OpCaseRegistration giou_case("giou_loss", [] {
  return with_goldens(make("giou_loss", {.kind = BoxLossKind::GIoU}), "giou", BoxLossKind::GIoU);
});
const OpCaseRegistration iou_log_case("iou_log_loss", [] {
  return make("iou_log_loss", {.kind = BoxLossKind::IouLog});
});
const OpCaseRegistration iou_linear_case("iou_linear_loss", [] {
  return make("iou_linear_loss", {.kind = BoxLossKind::IouLinear});
});
const OpCaseRegistration iou_square_case("iou_square_loss", [] {
  return make("iou_square_loss", {.kind = BoxLossKind::IouSquare});
});

}  // namespace
}  // namespace kestrel::testing
