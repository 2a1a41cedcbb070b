#include <kestrel/autograd/functions/reductions.h>

#include <cmath>
#include <limits>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

struct SumCase {
  Shape shape;
  std::vector<int> dims;
  bool keep = false;
};

/// The sum over dimensions, in long double, without them or with size 1.
Array sum_reference(const Array& x, const SumCase& c) {
  std::vector<bool> reduced(static_cast<size_t>(x.shape.dims()));
  for (const int d : c.dims) {
    reduced[static_cast<size_t>(d < 0 ? d + x.shape.dims() : d)] = true;
  }
  Shape kept = x.shape;
  std::vector<int64_t> sizes;
  for (int d = 0; d < x.shape.dims(); ++d) {
    if (reduced[static_cast<size_t>(d)]) kept[d] = 1;
    if (c.keep || !reduced[static_cast<size_t>(d)]) sizes.push_back(kept[d]);
  }
  std::vector<long double> totals(static_cast<size_t>(kept.numel()));
  for (int64_t i = 0; i < x.numel(); ++i) {
    int64_t rest = i, at = 0;
    for (int d = x.shape.dims() - 1; d >= 0; --d) {
      if (!reduced[static_cast<size_t>(d)]) at += rest % x.shape[d] * kept.stride(d);
      rest /= x.shape[d];
    }
    totals[static_cast<size_t>(at)] += x[i];
  }
  Array result{Shape(sizes)};
  for (int64_t i = 0; i < result.numel(); ++i) {
    result[i] = static_cast<double>(totals[static_cast<size_t>(i)]);
  }
  return result;
}

const std::vector<SumCase> kSums{
    {{}, {}},
    {{0}, {0}},
    {{1}, {0}, true},
    {{7}, {}},
    {{70001}, {0}},
    {{3, 0, 4}, {1}},
    {{3, 0, 4}, {0}},
    {{3, 5, 7}, {2}},
    {{3, 5, 7}, {1}},
    {{3, 5, 7}, {0}, true},
    {{3, 5, 7}, {0, -1}},
    {{2, 3, 4, 5}, {1, 2}, true},
    {{2, 3, 2, 3, 2}, {0, 2, 4}},
    {{2, 3, 2, 3, 2}, {1, 3}, true},
    {{2, 5001}, {1}},
    {{2300, 3}, {0}},
    {{2, 1300, 17}, {1}},
    {{9, 4, 600}, {1}},
};

OpCase sums(const std::string& name, bool divide) {
  OpCase op{.name = name};
  for (const SumCase& c : kSums) {
    double count = 1;
    for (const int d : c.dims) count *= static_cast<double>(c.shape[d]);
    if (divide && count == 0) continue;
    std::string label = to_string(c.shape) + "_over";
    for (const int d : c.dims) label += "_" + std::to_string(d);
    op.configs.push_back({.name = label,
                          .inputs = {{"x", c.shape}},
                          .run =
                              [c, divide](const Variables& in) {
                                return Variables{divide ? autograd::mean(in[0], c.dims, c.keep)
                                                        : autograd::sum(in[0], c.dims, c.keep)};
                              },
                          .reference =
                              [c, divide, count](const Arrays& in) {
                                const double factor = divide ? 1 / count : 1;
                                return Arrays{sum_reference(in[0], c).map(
                                    [factor](double total) { return total * factor; })};
                              }});
  }
  op.configs.push_back({.name = "everything",
                        .inputs = {{"x", {3, 5, 7}}},
                        .run =
                            [divide](const Variables& in) {
                              return Variables{divide ? autograd::mean(in[0])
                                                      : autograd::sum(in[0])};
                            },
                        .reference =
                            [divide](const Arrays& in) {
                              Array total = sum_reference(in[0], {{3, 5, 7}, {0, 1, 2}});
                              if (divide) total[0] /= 105;
                              return Arrays{total};
                            }});
  op.goldens.push_back({.file = "ops_reductions.safetensors",
                        .inputs = {"x"},
                        .run =
                            [divide](const Variables& in, const nlohmann::json& p, const auto&) {
                              const std::vector<int> dims = p.at("dims");
                              return divide ? autograd::mean(in[0], dims, p.at("keep"))
                                            : autograd::sum(in[0], dims, p.at("keep"));
                            },
                        .selects = [name](const nlohmann::json& p) { return p.at("op") == name; }});
  return op;
}

OpCase make_sum() {
  return sums("sum", false);
}
OpCase make_mean() {
  return sums("mean", true);
}

/// Calls f(begin, stride, length, row) for every row along a dimension.
template <class F>
void for_rows(const Shape& shape, int dim, F f) {
  const int64_t inner = shape.stride(dim), length = shape[dim];
  int64_t outer = 1;
  for (int d = 0; d < dim; ++d) outer *= shape[d];
  for (int64_t row = 0; row < outer * inner; ++row) {
    f(row / inner * length * inner + row % inner, inner, length, row);
  }
}

Shape without(const Shape& shape, int dim) {
  std::vector<int64_t> sizes;
  for (int d = 0; d < shape.dims(); ++d) {
    if (d != dim) sizes.push_back(shape[d]);
  }
  return Shape(sizes);
}

struct AlongCase {
  Shape shape;
  int dim;
};
const std::vector<AlongCase> kAlong{
    {{1}, 0},        {{7}, 0},          {{0, 3}, 1},       {{3, 0}, 0},       {{5, 81}, 1},
    {{4, 17, 3}, 1}, {{9, 2, 70}, 0},   {{9, 2, 70}, 1},   {{300, 40}, 1},    {{2, 1, 5}, 1},
    {{3, 1500}, 1},  {{130, 35, 2}, 0}, {{2, 200, 90}, 1}, {{31, 33, 4}, -1},
};

OpCase extremes(const std::string& name, bool largest) {
  OpCase op{.name = name};
  const auto add = [&](const std::string& label, const OpInput& input, int dim, bool gradients) {
    const int d = dim < 0 ? dim + input.shape.dims() : dim;
    op.configs.push_back(
        {.name = label,
         .inputs = {input},
         .run =
             [dim, largest](const Variables& in) {
               const auto result = largest ? autograd::max(in[0], dim) : autograd::min(in[0], dim);
               return Variables{result.values, Variable(result.indices)};
             },
         .reference =
             [d, largest](const Arrays& in) {
               Array values(without(in[0].shape, d)), indices(values.shape);
               for_rows(in[0].shape, d, [&](int64_t at, int64_t step, int64_t length, int64_t row) {
                 int64_t best = 0;
                 for (int64_t i = 1; i < length; ++i) {
                   const double value = in[0][at + i * step], found = in[0][at + best * step];
                   if (std::isnan(found)) break;
                   if (std::isnan(value) || (largest ? value > found : value < found)) best = i;
                 }
                 values[row] = in[0][at + best * step];
                 indices[row] = static_cast<double>(best);
               });
               return Arrays{values, indices};
             },
         .differentiable_outputs = 1,
         .gradients = gradients});
  };
  for (const AlongCase& c : kAlong) {
    if (c.shape[c.dim] == 0) continue;
    add(to_string(c.shape) + "_along_" + std::to_string(c.dim), {.name = "x", .shape = c.shape},
        c.dim, true);
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  add("ties_and_nan",
      {.name = "x", .shape = {4, 5}, .values = {1,    3,   3, 1,    1,    2,    nan,
                                                3,    nan, 9, -inf, -inf, -inf, -inf,
                                                -inf, inf, 0, inf,  -0.0, -inf}},
      1, false);
  // Central differences of a kink are wrong where two values of bfloat16 are equal.
  op.goldens.push_back({.file = "ops_reductions.safetensors",
                        .inputs = {"x"},
                        .run =
                            [largest](const Variables& in, const nlohmann::json& p, const auto&) {
                              return (largest ? autograd::max(in[0], p.at("dim"))
                                              : autograd::min(in[0], p.at("dim")))
                                  .values;
                            },
                        .selects = [name](const nlohmann::json& p) { return p.at("op") == name; }});
  return op;
}

OpCase make_max() {
  return extremes("max", true);
}
OpCase make_min() {
  return extremes("min", false);
}

using Along = Variable (*)(const Variable&, int);
using Row = std::vector<double> (*)(const std::vector<double>&);

/// Functions of whole rows, with as many results as values, or one.
OpCase along(const std::string& name, Along f, Row reference, bool reduces) {
  OpCase op{.name = name};
  const auto add = [&](const std::string& label, const OpInput& input, int dim, bool gradients) {
    const int d = dim < 0 ? dim + input.shape.dims() : dim;
    op.configs.push_back(
        {.name = label,
         .inputs = {input},
         .run = [f, dim](const Variables& in) { return Variables{f(in[0], dim)}; },
         .reference =
             [d, reference, reduces](const Arrays& in) {
               Array y(reduces ? without(in[0].shape, d) : in[0].shape);
               for_rows(in[0].shape, d, [&](int64_t at, int64_t step, int64_t length, int64_t row) {
                 std::vector<double> values;
                 for (int64_t i = 0; i < length; ++i) values.push_back(in[0][at + i * step]);
                 const std::vector<double> results = reference(values);
                 if (reduces) {
                   y[row] = results[0];
                 } else {
                   for (int64_t i = 0; i < length; ++i) {
                     y[at + i * step] = results[static_cast<size_t>(i)];
                   }
                 }
               });
               return Arrays{y};
             },
         .gradients = gradients});
  };
  for (const AlongCase& c : kAlong) {
    add(to_string(c.shape) + "_along_" + std::to_string(c.dim),
        {.name = "x", .shape = c.shape, .std = 3}, c.dim, true);
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  for (const int dim : {0, 1}) {
    add("not_finite_along_" + std::to_string(dim),
        {.name = "x", .shape = {3, 3}, .values = {nan, 1, 2, -inf, 3, 0, 1000, 1000, -1000}}, dim,
        false);
  }
  op.goldens.push_back({.file = "ops_reductions.safetensors",
                        .inputs = {"x"},
                        .run = [f](const Variables& in, const nlohmann::json& p,
                                   const auto&) { return f(in[0], p.at("dim")); },
                        .selects = [name](const nlohmann::json& p) { return p.at("op") == name; }});
  // Sums of up to 1,500 terms.
  op.float32 = {5e-5, 2e-5};
  op.bfloat16 = {5e-2, 2e-2};
  return op;
}

std::vector<double> log_sum_exp_row(const std::vector<double>& x) {
  double top = -std::numeric_limits<double>::infinity(), total = 0;
  for (const double value : x) top = std::max(top, value);
  if (std::isinf(top)) top = 0;
  for (const double value : x) total += std::exp(value - top);
  return {top + std::log(total)};
}

OpCase make_log_sum_exp() {
  return along(
      "log_sum_exp", [](const Variable& x, int dim) { return autograd::log_sum_exp(x, dim); },
      log_sum_exp_row, true);
}
OpCase make_softmax() {
  return along(
      "softmax", autograd::softmax,
      [](const std::vector<double>& x) {
        std::vector<double> y;
        for (const double value : x) y.push_back(std::exp(value - log_sum_exp_row(x)[0]));
        return y;
      },
      false);
}
OpCase make_log_softmax() {
  OpCase op = along(
      "log_softmax", autograd::log_softmax,
      [](const std::vector<double>& x) {
        std::vector<double> y;
        for (const double value : x) y.push_back(value - log_sum_exp_row(x)[0]);
        return y;
      },
      false);
  // The gradient is formed from the rounded result, whose exponential is multiplied by a sum of up
  // to 1,500 gradients.
  op.bfloat16 = {0.3, 3e-2};
  return op;
}
OpCase make_cumulative_sum() {
  OpCase op = along(
      "cumulative_sum", autograd::cumulative_sum,
      [](const std::vector<double>& x) {
        std::vector<double> y;
        double total = 0;
        for (const double value : x) y.push_back(total += value);
        return y;
      },
      false);
  return op;
}

const OpCaseRegistration sum_case("sum", make_sum);
const OpCaseRegistration mean_case("mean", make_mean);
const OpCaseRegistration max_case("max", make_max);
const OpCaseRegistration min_case("min", make_min);
const OpCaseRegistration log_sum_exp_case("log_sum_exp", make_log_sum_exp);
const OpCaseRegistration softmax_case("softmax", make_softmax);
const OpCaseRegistration log_softmax_case("log_softmax", make_log_softmax);
const OpCaseRegistration cumulative_sum_case("cumulative_sum", make_cumulative_sum);

}  // namespace
}  // namespace kestrel::test
