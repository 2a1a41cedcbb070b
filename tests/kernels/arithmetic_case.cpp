#include <kestrel/autograd/functions/arithmetic.h>

#include <cmath>
#include <limits>

#include <kestrel/kernels/common/broadcast.h>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

using Binary = Variable (*)(const Variable&, const Variable&);
using PlainBinary = double (*)(double, double);

/// The operand's element for element i of a result of `shape`.
double broadcast_value(const Array& operand, const Shape& shape, int64_t i) {
  int64_t at = 0;
  for (int d = shape.dims() - 1; d >= 0; --d) {
    const int own = d - shape.dims() + operand.shape.dims();
    const int64_t place = i % shape[d];
    i /= shape[d];
    if (own >= 0 && operand.shape[own] != 1) at += place * operand.shape.stride(own);
  }
  return operand[at];
}

Array broadcast_reference(const Array& a, const Array& b, PlainBinary f) {
  Array result(broadcast_shape("test", a.shape, b.shape));
  for (int64_t i = 0; i < result.numel(); ++i) {
    result[i] = f(broadcast_value(a, result.shape, i), broadcast_value(b, result.shape, i));
  }
  return result;
}

const std::vector<std::pair<Shape, Shape>> kPairs{
    {{}, {}},
    {{0}, {0}},
    {{1}, {7}},
    {{3, 5, 7}, {3, 5, 7}},
    {{33001}, {33001}},
    {{4, 0, 3}, {3}},
    {{0, 1}, {1, 5}},
    {{4, 3, 5}, {5}},
    {{3, 1}, {3, 5}},
    {{6, 1}, {1, 9}},
    {{}, {2, 3}},
    {{2, 3, 1, 4}, {3, 5, 4}},
    {{2, 1, 3, 1, 2}, {1, 4, 1, 2, 1}},
    {{50, 40, 17}, {50, 1, 17}},
    {{90, 1}, {1, 371}},
};

OpCase binary(const std::string& name, Binary f, PlainBinary reference, bool positive) {
  OpCase op{.name = name};
  const auto run = [f](const Variables& in) { return Variables{f(in[0], in[1])}; };
  const auto want = [reference](const Arrays& in) {
    return Arrays{broadcast_reference(in[0], in[1], reference)};
  };
  for (const auto& [a, b] : kPairs) {
    // All functions go through the same loops: one does.
    if (name != "multiply" && broadcast_shape("test", a, b).numel() > 10000) continue;
    op.configs.push_back({.name = to_string(a) + "_and_" + to_string(b),
                          .inputs = {{.name = "a", .shape = a, .positive = positive},
                                     {.name = "b", .shape = b, .positive = positive}},
                          .run = run,
                          .reference = want});
  }
  // An operand of both: its gradients are added.
  op.configs.push_back({.name = "with_itself",
                        .inputs = {{.name = "a", .shape = {3, 5, 7}, .positive = true}},
                        .run = [f](const Variables& in) { return Variables{f(in[0], in[0])}; },
                        .reference =
                            [reference](const Arrays& in) {
                              return Arrays{broadcast_reference(in[0], in[0], reference)};
                            },
                        .gradients = name != "minimum" && name != "maximum"});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  op.configs.push_back(
      {.name = "not_finite",
       .inputs = {{.name = "a", .shape = {6, 1}, .values = {nan, inf, -inf, 0, -0.0, -3}},
                  {.name = "b", .shape = {7}, .values = {nan, inf, -inf, 0, -0.0, 2, -2}}},
       .run = run,
       .reference = want,
       .gradients = false});
  op.goldens.push_back({.file = "ops_arithmetic.safetensors",
                        .inputs = {"a", "b"},
                        .run = [f](const Variables& in, const nlohmann::json&,
                                   const auto&) { return f(in[0], in[1]); },
                        .selects = [name](const nlohmann::json& p) { return p.at("op") == name; }});
  // Sums of up to 371 gradients of size about 10: each rounds to bfloat16 before it is added.
  op.float32 = {1e-4, 1e-5};
  op.bfloat16 = {0.2, 2e-2};
  op.gradcheck_tolerance = 1e-5;
  return op;
}

double smaller(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? a + b : std::min(a, b);
}
double larger(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? a + b : std::max(a, b);
}

OpCase make_add() {
  return binary(
      "add", autograd::add, [](double a, double b) { return a + b; }, false);
}
OpCase make_subtract() {
  return binary(
      "subtract", autograd::subtract, [](double a, double b) { return a - b; }, false);
}
OpCase make_multiply() {
  return binary(
      "multiply", autograd::multiply, [](double a, double b) { return a * b; }, false);
}
OpCase make_divide() {
  OpCase op = binary(
      "divide", autograd::divide, [](double a, double b) { return a / b; }, true);
  // Divisors of 0.1 and more: quotients up to 40, gradients up to 400, a dozen of which are added.
  op.float32 = {1e-3, 1e-5};
  op.bfloat16 = {2, 3e-2};
  op.gradcheck_tolerance = 1e-4;
  return op;
}
OpCase make_minimum() {
  return binary("minimum", autograd::minimum, smaller, false);
}
OpCase make_maximum() {
  return binary("maximum", autograd::maximum, larger, false);
}
OpCase make_power() {
  return binary(
      "pow", [](const Variable& a, const Variable& b) { return autograd::pow(a, b); },
      [](double a, double b) { return std::pow(a, b); }, true);
}
OpCase make_atan2() {
  return binary(
      "atan2", autograd::atan2, [](double a, double b) { return std::atan2(a, b); }, true);
}

Tensor mask_of(const Shape& shape, Device device) {
  Tensor mask = Tensor::empty(shape, DType::Bool);
  for (int64_t i = 0; i < mask.numel(); ++i) mask.data<bool>()[i] = i % 3 != 0;
  return mask.to(device);
}

OpCase make_where() {
  OpCase op{.name = "where"};
  struct Case {
    Shape mask, a, b;
  };
  for (const Case& c : std::vector<Case>{{{}, {}, {}},
                                         {{0}, {0}, {1}},
                                         {{7}, {7}, {7}},
                                         {{3, 5}, {}, {3, 5}},
                                         {{3, 1}, {3, 5}, {}},
                                         {{2, 1, 4}, {3, 1}, {4}},
                                         {{60, 70, 9}, {60, 70, 9}, {70, 1}}}) {
    op.configs.push_back(
        {.name = to_string(c.mask) + "_" + to_string(c.a) + "_" + to_string(c.b),
         .inputs = {{"a", c.a}, {"b", c.b}},
         .run =
             [c](const Variables& in) {
               return Variables{autograd::where(mask_of(c.mask, in[0].device()), in[0], in[1])};
             },
         .reference =
             [c](const Arrays& in) {
               Array mask(c.mask);
               for (int64_t i = 0; i < mask.numel(); ++i) mask[i] = i % 3 != 0;
               Array y(broadcast_shape("test", c.mask, broadcast_shape("test", c.a, c.b)));
               for (int64_t i = 0; i < y.numel(); ++i) {
                 y[i] = broadcast_value(broadcast_value(mask, y.shape, i) != 0 ? in[0] : in[1],
                                        y.shape, i);
               }
               return Arrays{y};
             }});
  }
  op.goldens.push_back({.file = "ops_arithmetic.safetensors",
                        .inputs = {"a", "b"},
                        .run =
                            [](const Variables& in, const nlohmann::json&, const auto& tensor) {
                              return autograd::where(
                                  tensor("mask").to(DType::Bool).to(in[0].device()), in[0], in[1]);
                            },
                        .selects = [](const nlohmann::json& p) { return p.at("op") == "where"; }});
  op.bfloat16 = {0.1, 2e-2};
  return op;
}

/// All comparisons at once, as numbers.
OpCase make_compare() {
  OpCase op{.name = "compare"};
  using enum CompareOp;
  const std::vector<CompareOp> ops{Equal,   NotEqual,     Less, LessEqual,
                                   Greater, GreaterEqual, And,  Or};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  op.configs.push_back(
      {.name = "values",
       .inputs = {{.name = "a", .shape = {5, 1}, .values = {nan, 0, -0.0, 2, -3}},
                  {.name = "b", .shape = {5}, .values = {nan, 0, 2, -3, 7}}},
       .run =
           [ops](const Variables& in) {
             Variables result;
             for (const CompareOp compare : ops) {
               result.emplace_back(
                   autograd::compare(compare, in[0].data(), in[1].data()).to(in[0].dtype()));
             }
             return result;
           },
       .reference =
           [](const Arrays& in) {
             const std::vector<PlainBinary> plain{
                 [](double a, double b) -> double { return a == b; },
                 [](double a, double b) -> double { return a != b; },
                 [](double a, double b) -> double { return a < b; },
                 [](double a, double b) -> double { return a <= b; },
                 [](double a, double b) -> double { return a > b; },
                 [](double a, double b) -> double { return a >= b; },
                 [](double a, double b) -> double { return a != 0 && b != 0; },
                 [](double a, double b) -> double { return a != 0 || b != 0; }};
             Arrays result;
             for (const PlainBinary f : plain) {
               result.push_back(broadcast_reference(in[0], in[1], f));
             }
             return result;
           },
       .gradients = false});
  return op;
}

const OpCaseRegistration add_case("add", make_add);
const OpCaseRegistration subtract_case("subtract", make_subtract);
const OpCaseRegistration multiply_case("multiply", make_multiply);
const OpCaseRegistration divide_case("divide", make_divide);
const OpCaseRegistration minimum_case("minimum", make_minimum);
const OpCaseRegistration maximum_case("maximum", make_maximum);
const OpCaseRegistration power_case("power", make_power);
const OpCaseRegistration atan2_case("atan2", make_atan2);
const OpCaseRegistration where_case("where", make_where);
const OpCaseRegistration compare_case("compare", make_compare);

}  // namespace
}  // namespace kestrel::test
