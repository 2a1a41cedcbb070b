#include <kestrel/autograd/functions/elementwise.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

using autograd::clamp;
using Map = Variable (*)(const Variable&);
using Plain = double (*)(double);

/// Which arguments a function has.
enum class Domain { All, Positive, Small };

double sigmoid_of(double x) {
  return 1 / (1 + std::exp(-x));
}
double softplus_of(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}
/// NaN stays NaN, as std::clamp leaves open.
double clamped(double x, double low, double high) {
  return x < low ? low : x > high ? high : x;
}

OpCase elementwise(const std::string& name, Map f, Plain reference, Domain domain) {
  OpCase op{.name = name};
  std::vector<Shape> shapes{{}, {0}, {1}, {7}, {4, 0, 3}, {3, 5, 7}};
  // All functions go through the same loops: one with and one without a saved result do.
  if (name == "sigmoid" || name == "silu") shapes.push_back({33001});
  for (const Shape& shape : shapes) {
    op.configs.push_back(
        {.name = to_string(shape),
         .inputs = {{.name = "x",
                     .shape = shape,
                     .std = domain == Domain::Small ? 0.7 : 2.0,
                     .positive = domain == Domain::Positive}},
         .run = [f](const Variables& in) { return Variables{f(in[0])}; },
         .reference = [reference](const Arrays& in) { return Arrays{in[0].map(reference)}; }});
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  op.configs.push_back(
      {.name = "not_finite",
       .inputs = {{.name = "x", .shape = {8}, .values = {nan, inf, -inf, 0, -0.0, -100, 20, 0.5}}},
       .run = [f](const Variables& in) { return Variables{f(in[0])}; },
       .reference = [reference](const Arrays& in) { return Arrays{in[0].map(reference)}; },
       .gradients = false});
  op.goldens.push_back(
      {.file = "ops_elementwise.safetensors",
       .inputs = {"x"},
       .run = [f](const Variables& in, const nlohmann::json&, const auto&) { return f(in[0]); },
       .selects = [name](const nlohmann::json& p) { return p.at("op") == name; }});
  // Gradients of saved results in bfloat16: up to three factors that were rounded.
  op.bfloat16 = {2e-2, 2e-2};
  // PyTorch's derivative of hsigmoid is 1 / 6 in float32, whatever the dtype.
  if (name == "hsigmoid") op.float64 = {1e-7, 1e-7};
  return op;
}

struct Function {
  const char* name;
  Map f;
  Plain reference;
  Domain domain = Domain::All;
};

const std::vector<Function> kFunctions{
    {"exp", autograd::exp, [](double x) { return std::exp(x); }, Domain::Small},
    {"log", autograd::log, [](double x) { return std::log(x); }, Domain::Positive},
    {"sqrt", autograd::sqrt, [](double x) { return std::sqrt(x); }, Domain::Positive},
    {"rsqrt", autograd::rsqrt, [](double x) { return 1 / std::sqrt(x); }, Domain::Positive},
    {"square", autograd::square, [](double x) { return x * x; }},
    {"reciprocal", autograd::reciprocal, [](double x) { return 1 / x; }, Domain::Positive},
    {"pow", [](const Variable& x) { return autograd::pow(x, 2.5); },
     [](double x) { return std::pow(x, 2.5); }, Domain::Positive},
    {"abs", autograd::abs, [](double x) { return std::abs(x); }},
    {"sin", autograd::sin, [](double x) { return std::sin(x); }},
    {"cos", autograd::cos, [](double x) { return std::cos(x); }},
    {"erf", autograd::erf, [](double x) { return std::erf(x); }},
    {"clamp", [](const Variable& x) { return clamp(x, -0.5, 0.75); },
     [](double x) { return clamped(x, -0.5, 0.75); }},
    {"relu", autograd::relu, [](double x) { return x < 0 ? 0 : x; }},
    {"relu6", autograd::relu6, [](double x) { return clamped(x, 0, 6); }},
    {"leaky_relu", [](const Variable& x) { return autograd::leaky_relu(x, 0.1); },
     [](double x) { return x > 0 ? x : 0.1 * x; }},
    {"elu", [](const Variable& x) { return autograd::elu(x, 1.5); },
     [](double x) { return x > 0 ? x : 1.5 * std::expm1(x); }},
    {"gelu", autograd::gelu,
     [](double x) { return x * (0.5 + 0.5 * std::erf(x / std::sqrt(2.0))); }},
    {"sigmoid", autograd::sigmoid, sigmoid_of},
    {"log_sigmoid", autograd::log_sigmoid, [](double x) { return -softplus_of(-x); }},
    {"softplus", autograd::softplus, softplus_of},
    {"tanh", autograd::tanh, [](double x) { return std::tanh(x); }},
    {"silu", autograd::silu, [](double x) { return x * sigmoid_of(x); }},
    {"mish", autograd::mish, [](double x) { return x * std::tanh(softplus_of(x)); }},
    {"hswish", autograd::hswish, [](double x) { return x * clamped(x + 3, 0, 6) / 6; }},
    {"hsigmoid", [](const Variable& x) { return autograd::hsigmoid(x); },
     [](double x) { return clamped(x / 6 + 0.5, 0, 1); }, Domain::Small},
    {"scale", [](const Variable& x) { return autograd::scale(x, -2.5); },
     [](double x) { return -2.5 * x; }},
    {"add_scalar", [](const Variable& x) { return autograd::add_scalar(x, 1.25); },
     [](double x) { return x + 1.25; }},
};

bool has_golden(const std::string& name) {
  return name != "scale" && name != "add_scalar";
}

const std::vector<OpCaseRegistration> kCases = [] {
  std::vector<OpCaseRegistration> cases;
  for (const Function& f : kFunctions) {
    cases.emplace_back(f.name, [f] {
      OpCase op = elementwise(f.name, f.f, f.reference, f.domain);
      if (!has_golden(f.name)) op.goldens.clear();
      return op;
    });
  }
  return cases;
}();

}  // namespace
}  // namespace kestrel::test
