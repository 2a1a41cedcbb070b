#include <kestrel/autograd/functions/arithmetic.h>

#include <cmath>
#include <limits>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

const std::vector<Shape> kShapes{{}, {0}, {1}, {7}, {4, 0, 3}, {3, 5, 7}, {1, 2, 3, 4, 5}, {70001}};

using Unary = Variable (*)(const Variable&);
using Binary = Variable (*)(const Variable&, const Variable&);

OpCase unary(const std::string& name, Unary f, double (*reference)(double)) {
  OpCase op{.name = name};
  for (const Shape& shape : kShapes) {
    op.configs.push_back(
        {.name = to_string(shape),
         .inputs = {{"x", shape}},
         .run = [f](const Variables& in) { return Variables{f(in[0])}; },
         .reference = [reference](const Arrays& in) { return Arrays{in[0].map(reference)}; }});
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  op.configs.push_back(
      {.name = "not_finite",
       .inputs = {{.name = "x", .shape = {6}, .values = {nan, inf, -inf, 0, -0.0, -100}}},
       .run = [f](const Variables& in) { return Variables{f(in[0])}; },
       .reference = [reference](const Arrays& in) { return Arrays{in[0].map(reference)}; },
       .gradients = false});
  return op;
}

OpCase binary(const std::string& name, Binary f, double (*reference)(double, double)) {
  OpCase op{.name = name};
  for (const Shape& shape : kShapes) {
    op.configs.push_back(
        {.name = to_string(shape),
         .inputs = {{"a", shape}, {"b", shape}},
         .run = [f](const Variables& in) { return Variables{f(in[0], in[1])}; },
         .reference =
             [reference](const Arrays& in) { return Arrays{in[0].map(in[1], reference)}; }});
    op.configs.push_back(
        {.name = to_string(shape) + "_with_itself",
         .inputs = {{"a", shape}},
         .run = [f](const Variables& in) { return Variables{f(in[0], in[0])}; },
         .reference =
             [reference](const Arrays& in) { return Arrays{in[0].map(in[0], reference)}; }});
  }
  return op;
}

OpCase make_add() {
  return binary("add", autograd::add, [](double a, double b) { return a + b; });
}
OpCase make_subtract() {
  return binary("subtract", autograd::subtract, [](double a, double b) { return a - b; });
}
OpCase make_multiply() {
  return binary("multiply", autograd::multiply, [](double a, double b) { return a * b; });
}
OpCase make_scale() {
  return unary(
      "scale", [](const Variable& x) { return autograd::scale(x, -2.5); },
      [](double x) { return -2.5 * x; });
}
OpCase make_add_scalar() {
  return unary(
      "add_scalar", [](const Variable& x) { return autograd::add_scalar(x, 1.25); },
      [](double x) { return x + 1.25; });
}
OpCase make_relu() {
  return unary("relu", autograd::relu, [](double x) { return x < 0 ? 0 : x; });
}
OpCase make_sigmoid() {
  return unary("sigmoid", autograd::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); });
}

OpCase reduction(const std::string& name, Unary f, bool divide) {
  OpCase op{.name = name};
  // 70,001 terms summed in double; one rounding to the dtype, of a result of about 265.
  for (const Shape& shape : kShapes) {
    if (divide && shape.numel() == 0) continue;
    op.configs.push_back({.name = to_string(shape),
                          .inputs = {{"x", shape}},
                          .run = [f](const Variables& in) { return Variables{f(in[0])}; },
                          .reference =
                              [divide](const Arrays& in) {
                                long double total = 0;
                                for (const double x : in[0].values) total += x;
                                Array result(Shape{});
                                const auto count = static_cast<long double>(in[0].numel());
                                result[0] = static_cast<double>(divide ? total / count : total);
                                return Arrays{result};
                              }});
  }
  return op;
}
OpCase make_sum() {
  return reduction("sum", autograd::sum, false);
}
OpCase make_mean() {
  return reduction("mean", autograd::mean, true);
}

const OpCaseRegistration add_case("add", make_add);
const OpCaseRegistration subtract_case("subtract", make_subtract);
const OpCaseRegistration multiply_case("multiply", make_multiply);
const OpCaseRegistration scale_case("scale", make_scale);
const OpCaseRegistration add_scalar_case("add_scalar", make_add_scalar);
const OpCaseRegistration relu_case("relu", make_relu);
const OpCaseRegistration sigmoid_case("sigmoid", make_sigmoid);
const OpCaseRegistration sum_case("sum", make_sum);
const OpCaseRegistration mean_case("mean", make_mean);

}  // namespace
}  // namespace kestrel::test
