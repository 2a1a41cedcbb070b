#include <kestrel/autograd/functions/cross_entropy.h>

#include <algorithm>
#include <cmath>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

using autograd::CrossEntropyOptions;

struct EntropyCase {
  std::string name;
  int64_t rows, classes;
  std::vector<int64_t> labels;
  int64_t ignore_index = -100;
  bool class_weight = false, sample_weight = false;
  std::optional<double> avg_factor = {};
  bool no_reduction = false;
  double spread = 1;
};

double class_weight_of(int64_t c) {
  return 0.5 + 0.25 * static_cast<double>(c % 5);
}
double sample_weight_of(int64_t i) {
  return 0.25 * static_cast<double>(i % 4);
}

/// (count) values of f, in the dtype of the losses.
template <class F>
Tensor weights(int64_t count, F f, const Variable& logits) {
  Tensor result = Tensor::empty({count}, DType::Float64);
  for (int64_t i = 0; i < count; ++i) result.data<double>()[i] = f(i);
  return result.to(logits.dtype() == DType::Float64 ? DType::Float64 : DType::Float32)
      .to(logits.device());
}

CrossEntropyOptions options_of(const EntropyCase& c, const Variable& logits) {
  CrossEntropyOptions options{
      .ignore_index = c.ignore_index, .avg_factor = c.avg_factor, .no_reduction = c.no_reduction};
  if (c.class_weight) options.class_weight = weights(c.classes, class_weight_of, logits);
  if (c.sample_weight) options.sample_weight = weights(c.rows, sample_weight_of, logits);
  return options;
}

Array reduce(const Array& losses, const EntropyCase& c) {
  if (c.no_reduction) return losses;
  Array total(Shape{});
  for (const double loss : losses.values) total[0] += loss;
  total[0] /= c.avg_factor.value_or(static_cast<double>(std::max<int64_t>(1, losses.numel())));
  return total;
}

Array softmax_reference(const Array& x, const EntropyCase& c) {
  Array losses(Shape{c.rows});
  for (int64_t i = 0; i < c.rows; ++i) {
    const int64_t label = c.labels[static_cast<size_t>(i)];
    if (label == c.ignore_index) continue;
    long double total = 0;
    for (int64_t k = 0; k < c.classes; ++k) {
      total += std::exp(static_cast<long double>(x.at(i, k)) - x.at(i, label));
    }
    losses[i] = static_cast<double>(std::log(total)) *
                (c.class_weight ? class_weight_of(label) : 1) *
                (c.sample_weight ? sample_weight_of(i) : 1);
  }
  return reduce(losses, c);
}

/// target(i, k) in [0, 1].
template <class F>
Array binary_reference(const Array& x, const EntropyCase& c, F target) {
  Array losses(Shape{c.rows, c.classes});
  for (int64_t i = 0; i < c.rows; ++i) {
    if (!c.labels.empty() && c.labels[static_cast<size_t>(i)] == c.ignore_index) continue;
    for (int64_t k = 0; k < c.classes; ++k) {
      const long double v = x.at(i, k);
      const long double positive = std::log1p(std::exp(-v)), negative = std::log1p(std::exp(v));
      const long double t = target(i, k);
      const long double weight = c.class_weight ? class_weight_of(k) : 1;
      losses.at(i, k) = static_cast<double>(weight * t * positive + (1 - t) * negative) *
                        (c.sample_weight ? sample_weight_of(i) : 1);
    }
  }
  return reduce(losses, c);
}

/// Labels in [0, end), with every ninth ignored.
std::vector<int64_t> make_labels(int64_t rows, int64_t end, int64_t ignore_index) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < rows; ++i) labels.push_back(i % 9 == 8 ? ignore_index : i * 7 % end);
  return labels;
}

std::vector<EntropyCase> make_cases(int64_t extra) {
  std::vector<EntropyCase> cases{
      {"empty", 0, 4, {}},
      {"one_class", 3, 1, {}},
      {"one_row", 1, 5, {}},
      {"mean", 16, 6, {}},
      {"ignore_255", 16, 6, {}, 255},
      {"class_weight", 16, 6, {}, -100, true},
      {"sample_weight", 16, 6, {}, -100, false, true},
      {"both_weights", 37, 11, {}, -100, true, true, 7.5},
      {"avg_factor", 16, 6, {}, -100, false, false, 3.0},
      {"elements", 16, 6, {}, -100, true, true, {}, true},
      {"far_out", 16, 6, {}, -100, false, false, {}, true, 100},
      {"many", 3001, 21, {}, 255, true, true},
  };
  for (EntropyCase& c : cases) c.labels = make_labels(c.rows, c.classes + extra, c.ignore_index);
  return cases;
}

Tensor labels_of(const EntropyCase& c, const Variable& logits) {
  return Tensor::from(c.labels, {c.rows}).to(logits.device());
}

OpCase make_softmax() {
  OpCase op{.name = "cross_entropy"};
  for (const EntropyCase& c : make_cases(0)) {
    op.configs.push_back(
        {.name = c.name,
         .inputs = {{.name = "logits", .shape = {c.rows, c.classes}, .std = 2 * c.spread}},
         .run =
             [c](const Variables& in) {
               return Variables{
                   autograd::cross_entropy(in[0], labels_of(c, in[0]), options_of(c, in[0]))};
             },
         .reference = [c](const Arrays& in) { return Arrays{softmax_reference(in[0], c)}; }});
  }
  op.goldens.push_back({.file = "ops_cross_entropy.safetensors",
                        .inputs = {"logits"},
                        .output = "loss",
                        .run = [](const Variables& in, const nlohmann::json&,
                                  const std::function<Tensor(const std::string&)>& tensor) {
                          return autograd::cross_entropy(in[0], tensor("labels").to(in[0].device()),
                                                         {.avg_factor = 1.0});
                        }});
  return op;
}

OpCase make_binary() {
  OpCase op{.name = "binary_cross_entropy"};
  for (const EntropyCase& c : make_cases(1)) {
    op.configs.push_back(
        {.name = c.name,
         .inputs = {{.name = "logits", .shape = {c.rows, c.classes}, .std = 2 * c.spread}},
         .run =
             [c](const Variables& in) {
               return Variables{autograd::binary_cross_entropy(in[0], labels_of(c, in[0]),
                                                               options_of(c, in[0]))};
             },
         .reference =
             [c](const Arrays& in) {
               return Arrays{binary_reference(in[0], c, [&](int64_t i, int64_t k) {
                 return c.labels[static_cast<size_t>(i)] == k ? 1.0 : 0.0;
               })};
             }});
    EntropyCase soft = c;
    soft.labels = {};
    const auto target = [classes = c.classes](int64_t i, int64_t k) {
      return static_cast<double>((i * classes + k) % 5) / 4;
    };
    op.configs.push_back(
        {.name = c.name + "_soft",
         .inputs = {{.name = "logits", .shape = {c.rows, c.classes}, .std = 2 * c.spread}},
         .run =
             [soft, target](const Variables& in) {
               const Tensor targets =
                   weights(
                       soft.rows * soft.classes,
                       [&](int64_t i) { return target(i / soft.classes, i % soft.classes); }, in[0])
                       .reshape({soft.rows, soft.classes});
               return Variables{
                   autograd::binary_cross_entropy(in[0], targets, options_of(soft, in[0]))};
             },
         .reference =
             [soft, target](const Arrays& in) {
               return Arrays{binary_reference(in[0], soft, target)};
             }});
  }
  return op;
}

const OpCaseRegistration softmax_case("cross_entropy", make_softmax);
const OpCaseRegistration binary_case("binary_cross_entropy", make_binary);

}  // namespace
}  // namespace kestrel::test
