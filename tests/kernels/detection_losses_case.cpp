#include <kestrel/autograd/functions/box_loss.h>
#include <kestrel/autograd/functions/focal_loss.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

using TensorOf = std::function<Tensor(const std::string&)>;

double row_weight(int64_t i) {
  return 0.5 * static_cast<double>(i % 4);
}

/// Weights of n rows, in the dtype of the losses.
Tensor weights_of(int64_t n, const Variable& x) {
  Tensor weights = Tensor::empty({n}, DType::Float64);
  for (int64_t i = 0; i < n; ++i) weights.data<double>()[i] = row_weight(i);
  return weights.to(x.dtype() == DType::Float64 ? DType::Float64 : DType::Float32).to(x.device());
}

struct Focal {
  std::string name;
  int64_t rows, classes;
  FocalLossParams params = {};
  bool weighted = false;
  double spread = 2;

  /// Classes, background and ignored rows in turn.
  int64_t label(int64_t i) const { return i * 7 % (classes + 2) - 1; }
};

Array focal_reference(const Array& x, const Focal& c) {
  long double total = 0;
  for (int64_t i = 0; i < c.rows; ++i) {
    if (c.label(i) < 0) continue;
    for (int64_t k = 0; k < c.classes; ++k) {
      const bool positive = c.label(i) == k;
      // With z the logit of being right: -a (1 - sigmoid(z))^gamma log(sigmoid(z)).
      const long double z = positive ? x.at(i, k) : -x.at(i, k);
      const long double wrong = 1 / (1 + std::exp(z));
      const long double loss = std::pow(wrong, static_cast<long double>(c.params.gamma)) *
                               std::log1p(std::exp(-z)) *
                               (positive ? c.params.alpha : 1 - c.params.alpha);
      total += loss * (c.weighted ? row_weight(i) : 1);
    }
  }
  Array result(Shape{});
  result[0] = static_cast<double>(total * c.params.scale);
  return result;
}

OpCase make_focal_loss() {
  OpCase op{.name = "focal_loss"};
  const std::vector<Focal> cases{{"empty", 0, 5},
                                 {"one", 1, 1},
                                 {"odd", 13, 7},
                                 {"weighted", 13, 7, {}, true},
                                 {"alpha_gamma", 13, 7, {.alpha = 0.5, .gamma = 1.5, .scale = 0.1}},
                                 {"gamma0", 13, 7, {.gamma = 0}},
                                 {"vectors", 9, 64},
                                 {"far_out", 13, 7, {}, false, 30},
                                 {"many", 1501, 80, {.scale = 0.01}}};
  // Exponentials and logarithms by polynomials; a sum of up to 120,000 losses.
  op.float32 = {1e-5, 2e-5};
  for (const Focal& c : cases) {
    op.configs.push_back(
        {.name = c.name,
         .inputs = {{.name = "logits", .shape = {c.rows, c.classes}, .std = c.spread}},
         .run =
             [c](const Variables& in) {
               Tensor labels = Tensor::empty({c.rows}, DType::Int64);
               for (int64_t i = 0; i < c.rows; ++i) labels.data<int64_t>()[i] = c.label(i);
               return Variables{autograd::focal_loss(
                   in[0], labels.to(in[0].device()),
                   c.weighted ? weights_of(c.rows, in[0]) : Tensor(), c.params)};
             },
         .reference = [c](const Arrays& in) { return Arrays{focal_reference(in[0], c)}; }});
  }
  op.goldens.push_back(
      {.file = "ops_focal_loss.safetensors",
       .inputs = {"logits"},
       .output = "loss",
       .run = [](const Variables& in, const nlohmann::json& p, const TensorOf& tensor) {
         return autograd::focal_loss(in[0], tensor("labels").to(in[0].device()), {},
                                     {.alpha = p.at("alpha"), .gamma = p.at("gamma")});
       }});
  return op;
}

struct BoxCase {
  std::string name;
  int64_t rows;
  BoxLossParams params;
  bool weighted = false;
};

bool takes_boxes(BoxLossKind kind) {
  return kind != BoxLossKind::L1 && kind != BoxLossKind::SmoothL1;
}

/// Row i of the targets: a box of some 20 to 60 pixels, or four deltas.
std::array<double, 4> target_row(int64_t i, bool boxes) {
  const auto k = static_cast<double>(i);
  if (!boxes) return {std::sin(k), std::cos(k), std::sin(2 * k), std::cos(3 * k)};
  const double x = 50 + 40 * std::sin(k), y = 50 + 40 * std::cos(k);
  return {x, y, x + 40 + 20 * std::sin(3 * k), y + 40 + 20 * std::cos(5 * k)};
}

double row_loss(const std::array<double, 4>& p, const std::array<double, 4>& t,
                const BoxLossParams& params) {
  if (!takes_boxes(params.kind)) {
    double total = 0;
    for (size_t k = 0; k < 4; ++k) {
      const double d = std::abs(p[k] - t[k]);
      const bool quadratic = params.kind == BoxLossKind::SmoothL1 && d < params.beta;
      const double offset = params.kind == BoxLossKind::SmoothL1 ? params.beta / 2 : 0;
      total += quadratic ? d * d / (2 * params.beta) : d - offset;
    }
    return total;
  }
  const auto area = [](const std::array<double, 4>& b) { return (b[2] - b[0]) * (b[3] - b[1]); };
  const double width = std::max(0.0, std::min(p[2], t[2]) - std::max(p[0], t[0]));
  const double height = std::max(0.0, std::min(p[3], t[3]) - std::max(p[1], t[1]));
  const double overlap = width * height, joint = area(p) + area(t) - overlap;
  const double iou = overlap / std::max(joint, params.eps);
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
      return 1 - iou + (hull - joint) / std::max(hull, params.eps);
    }
  }
}

Array box_reference(const Array& pred, const BoxCase& c) {
  Array result(Shape{});
  for (int64_t i = 0; i < c.rows; ++i) {
    const std::array<double, 4> target = target_row(i, takes_boxes(c.params.kind));
    result[0] +=
        c.params.scale * (c.weighted ? row_weight(i) : 1) *
        row_loss({pred.at(i, 0), pred.at(i, 1), pred.at(i, 2), pred.at(i, 3)}, target, c.params);
  }
  return result;
}

OpCase make_box_loss() {
  OpCase op{.name = "box_loss"};
  // Targets are rounded to float32 beside float32 predictions: by 2^-24 of up to 150, so by 1e-5,
  // in losses of sizes down to a tenth.
  op.float32 = {1e-4, 2e-5};
  // torchvision adds its eps of 1e-7 to the denominators of GIoU, where MMDetection and we take the
  // larger of the two: 1e-10 of a union of a thousand pixels.
  op.float64 = {1e-8, 1e-8};
  op.gradcheck_tolerance = 1e-5;
  for (const auto& [kind, name] :
       std::vector<std::pair<BoxLossKind, std::string>>{{BoxLossKind::L1, "l1"},
                                                        {BoxLossKind::SmoothL1, "smooth_l1"},
                                                        {BoxLossKind::IouLog, "iou_log"},
                                                        {BoxLossKind::IouLinear, "iou_linear"},
                                                        {BoxLossKind::IouSquare, "iou_square"},
                                                        {BoxLossKind::GIoU, "giou"}}) {
    for (const int64_t rows : {int64_t{0}, int64_t{1}, int64_t{7}, int64_t{1501}}) {
      for (const bool weighted : {false, true}) {
        const BoxCase c{name + "_" + std::to_string(rows) + (weighted ? "_weighted" : ""),
                        rows,
                        {.kind = kind, .beta = 0.3, .scale = 0.5},
                        weighted};
        const bool boxes = takes_boxes(kind);
        OpInput pred{.name = "pred", .shape = {rows, 4}};
        Philox random(11);
        for (int64_t i = 0; i < rows; ++i) {
          for (const double t : target_row(i, boxes)) {
            pred.values.push_back(t + (boxes ? 5 : 0.5) * random.normal());
          }
        }
        op.configs.push_back(
            {.name = c.name,
             .inputs = {pred},
             .run =
                 [c](const Variables& in) {
                   Tensor target = Tensor::empty({c.rows, 4}, DType::Float64);
                   for (int64_t i = 0; i < c.rows; ++i) {
                     const auto row = target_row(i, takes_boxes(c.params.kind));
                     std::copy(row.begin(), row.end(), target.data<double>() + 4 * i);
                   }
                   const DType dtype =
                       in[0].dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
                   return Variables{autograd::box_loss(
                       in[0], target.to(dtype).to(in[0].device()),
                       c.weighted ? weights_of(c.rows, in[0]) : Tensor(), c.params)};
                 },
             .reference = [c](const Arrays& in) { return Arrays{box_reference(in[0], c)}; }});
      }
    }
  }
  op.goldens.push_back(
      {.file = "ops_regression.safetensors",
       .inputs = {"prediction"},
       .output = "loss",
       .run = [](const Variables& in, const nlohmann::json& p, const TensorOf& tensor) {
         const std::string kind = p.at("kind");
         const Tensor target = tensor("target").to(in[0].dtype()).to(in[0].device());
         if (kind == "l1") return autograd::box_loss(in[0], target, {}, {.kind = BoxLossKind::L1});
         if (kind == "giou") {
           return autograd::box_loss(in[0], target, {},
                                     {.kind = BoxLossKind::GIoU, .eps = p.at("eps")});
         }
         return autograd::box_loss(in[0], target, {},
                                   {.kind = BoxLossKind::SmoothL1, .beta = p.at("beta")});
       }});
  return op;
}

const OpCaseRegistration focal_loss_case("focal_loss", make_focal_loss);
const OpCaseRegistration box_loss_case("box_loss", make_box_loss);

}  // namespace
}  // namespace kestrel::test
