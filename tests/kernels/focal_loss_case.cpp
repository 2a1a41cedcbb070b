#include <kestrel/autograd/functions/focal_loss.h>

#include <cmath>

#include "../support/op_case.h"

namespace kestrel::testing {
namespace {

struct Case {
  const char* name;
  int64_t rows, classes;
  double alpha = 0.25, gamma = 2, scale = 1;
  double spread = 2;
  bool weighted = false;
};

/// Labels and weights of a case: every kind of row takes its turn.
int64_t label_of(int64_t row, const Case& c) {
  return row % (c.classes + 2) - 1;
}
double weight_of(int64_t row, const Case& c) {
  return c.weighted ? 0.5 * static_cast<double>(row % 4) : 1;
}

Array reference(const Array& logits, const Case& c) {
  long double total = 0;
  for (int64_t row = 0; row < c.rows; ++row) {
    if (label_of(row, c) < 0) continue;
    for (int64_t k = 0; k < c.classes; ++k) {
      const bool positive = label_of(row, c) == k;
      const long double x = logits.at(row, k) * (positive ? -1 : 1);
      const long double p_wrong = 1 / (1 + std::exp(-x));
      const long double minus_log = std::log1p(std::exp(x));
      total += weight_of(row, c) * (positive ? c.alpha : 1 - c.alpha) *
               std::pow(p_wrong, static_cast<long double>(c.gamma)) * minus_log;
    }
  }
  Array result(Shape{});
  result[0] = static_cast<double>(total * c.scale);
  return result;
}

OpCase make() {
  OpCase op{.name = "focal_loss"};
  // 4,800 terms of a few roundings each, summed in double; the sum itself is rounded once.
  op.float32 = {2e-5, 1e-5};
  const std::vector<Case> cases{
      {"no_rows", 0, 5},
      {"one", 1, 1},
      {"one_class", 33, 1},
      {"odd", 7, 3},
      {"coco", 60, 80},
      {"weighted", 40, 17, 0.25, 2, 0.3, 2, true},
      {"no_modulation", 20, 6, 0.5, 0},
      {"other_gamma", 20, 6, 0.4, 1.5},
      {"large_logits", 40, 6, 0.25, 2, 1, 20},
      {"threads", 9000, 4, 0.25, 2, 0.001},
  };
  for (const Case& c : cases) {
    Tensor labels = Tensor::empty({c.rows}, DType::Int64);
    Tensor weights = Tensor::empty({c.rows}, DType::Float64);
    for (int64_t row = 0; row < c.rows; ++row) {
      labels.data<int64_t>()[row] = label_of(row, c);
      weights.data<double>()[row] = weight_of(row, c);
    }
    op.configs.push_back(
        {.name = c.name,
         .inputs = {{.name = "logits", .shape = {c.rows, c.classes}, .std = c.spread}},
         .run =
             [c, labels, weights](const Variables& in) {
               const DType dtype =
                   in[0].dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
               const Tensor w = c.weighted ? weights.to(dtype).to(in[0].device()) : Tensor();
               return Variables{
                   autograd::focal_loss(in[0], labels.to(in[0].device()), w,
                                        {.alpha = c.alpha, .gamma = c.gamma, .scale = c.scale})};
             },
         .reference = [c](const Arrays& in) { return Arrays{reference(in[0], c)}; }});
  }
  op.goldens.push_back({.file = "ops_focal_loss.safetensors",
                        .inputs = {"logits"},
                        .output = "loss",
                        .run = [](const Variables& in, const nlohmann::json& p,
                                  const std::function<Tensor(const std::string&)>& tensor) {
                          return autograd::focal_loss(
                              in[0], tensor("labels").to(in[0].device()), {},
                              {.alpha = p.at("alpha"), .gamma = p.at("gamma")});
                        }});
  return op;
}

const OpCaseRegistration focal_loss_case("focal_loss", make);

}  // namespace
}  // namespace kestrel::testing
