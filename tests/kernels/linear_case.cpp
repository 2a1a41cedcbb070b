#include <kestrel/autograd/functions/linear.h>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

Array linear_reference(const Arrays& in, bool bias) {
  const int64_t inputs = in[1].shape[1], outputs = in[1].shape[0];
  Shape shape = in[0].shape;
  shape[-1] = outputs;
  Array y(shape);
  for (int64_t i = 0; i < y.numel(); ++i) {
    const int64_t row = i / outputs, o = i % outputs;
    y[i] = bias ? in[2][o] : 0;
    for (int64_t k = 0; k < inputs; ++k) y[i] += in[0][row * inputs + k] * in[1][o * inputs + k];
  }
  return y;
}

OpCase make_linear() {
  OpCase op{.name = "linear"};
  struct Case {
    Shape x;
    int64_t outputs;
    bool bias = true;
  };
  const std::vector<Case> cases{
      {{0, 4}, 3},    {{3, 4}, 0},           {{1, 1}, 1},       {{5}, 3},
      {{3, 7}, 5},    {{3, 7}, 5, false},    {{2, 3, 4, 6}, 5}, {{1, 129}, 65},
      {{67, 33}, 31}, {{200, 64}, 48, false}};
  // Sums of up to 200 products of size about 1: float32 rounds each step by 2^-24 of the partial
  // sum, which is of size about 15. bfloat16 rounds the result, of up to about 50, once.
  op.float32 = {1e-4, 1e-5};
  op.bfloat16 = {3e-2, 1e-2};
  op.gradcheck_tolerance = 1e-5;
  for (const Case& c : cases) {
    op.configs.push_back(
        {.name = to_string(c.x) + "_to_" + std::to_string(c.outputs) + (c.bias ? "" : "_plain"),
         .inputs = {{"x", c.x},
                    {"weight", Shape{c.outputs, c.x[-1]}},
                    {.name = "bias", .shape = {c.outputs}, .differentiable = c.bias}},
         .run =
             [c](const Variables& in) {
               return Variables{autograd::linear(in[0], in[1], c.bias ? in[2] : Variable())};
             },
         .reference = [c](const Arrays& in) { return Arrays{linear_reference(in, c.bias)}; }});
  }
  op.goldens.push_back({.file = "ops_linear.safetensors",
                        .inputs = {"x", "weight", "bias"},
                        .run = [](const Variables& in, const nlohmann::json&, const auto&) {
                          return autograd::linear(in[0], in[1], in[2]);
                        }});
  return op;
}

const OpCaseRegistration linear_case("linear", make_linear);

}  // namespace
}  // namespace kestrel::test
