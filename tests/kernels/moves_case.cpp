#include <algorithm>

#include <kestrel/autograd/functions/batched_matmul.h>
#include <kestrel/autograd/functions/shape_ops.h>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

using autograd::Padding;

/// Places along each dimension of element i.
std::vector<int64_t> places_of(const Shape& shape, int64_t i) {
  std::vector<int64_t> places(static_cast<size_t>(shape.dims()));
  for (int d = shape.dims() - 1; d >= 0; --d) {
    places[static_cast<size_t>(d)] = i % shape[d];
    i /= shape[d];
  }
  return places;
}

int64_t offset_of(const Shape& shape, const std::vector<int64_t>& places) {
  int64_t at = 0;
  for (int d = 0; d < shape.dims(); ++d) at = at * shape[d] + places[static_cast<size_t>(d)];
  return at;
}

std::function<bool(const nlohmann::json&)> only(const std::string& name) {
  return [name](const nlohmann::json& p) { return p.at("op") == name; };
}

OpCase make_permute() {
  OpCase op{.name = "permute"};
  const std::vector<std::pair<Shape, std::vector<int>>> cases{
      {{}, {}},
      {{7}, {0}},
      {{0, 3}, {1, 0}},
      {{3, 5}, {1, 0}},
      {{33, 70}, {-1, 0}},
      {{2, 3, 4, 5}, {0, 1, 2, 3}},
      {{2, 3, 4, 5}, {0, 2, 3, 1}},
      {{2, 3, 4, 5}, {0, 3, 1, 2}},
      {{2, 3, 4, 5}, {1, 0, 2, 3}},
      {{2, 3, 4, 5}, {3, 2, 1, 0}},
      {{2, 3, 4, 5}, {2, 0, 3, 1}},
      {{2, 3, 1, 4, 2}, {0, 4, 3, 1, 2}},
      {{2, 1, 3, 2, 1, 2}, {5, 3, 1, 0, 4, 2}},
      {{40, 50, 17}, {1, 0, 2}},
      {{6, 50, 70}, {2, 1, 0}},
  };
  for (const auto& [shape, order] : cases) {
    std::string label = to_string(shape) + "_by";
    for (const int d : order) label += "_" + std::to_string(d);
    op.configs.push_back(
        {.name = label,
         .inputs = {{"x", shape}},
         .run = [order = order](
                    const Variables& in) { return Variables{autograd::permute(in[0], order)}; },
         .reference =
             [order = order](const Arrays& in) {
               Shape to = in[0].shape;
               for (int d = 0; d < to.dims(); ++d) {
                 to[d] = in[0].shape[order[static_cast<size_t>(d)]];
               }
               Array y(to);
               for (int64_t i = 0; i < y.numel(); ++i) {
                 const auto places = places_of(to, i);
                 std::vector<int64_t> from(places.size());
                 for (size_t d = 0; d < places.size(); ++d) {
                   const int source = order[d] < 0 ? order[d] + to.dims() : order[d];
                   from[static_cast<size_t>(source)] = places[d];
                 }
                 y[i] = in[0][offset_of(in[0].shape, from)];
               }
               return Arrays{y};
             }});
  }
  op.goldens.push_back({.file = "ops_moves.safetensors",
                        .inputs = {"x"},
                        .run = [](const Variables& in, const nlohmann::json& p,
                                  const auto&) { return autograd::permute(in[0], p.at("order")); },
                        .selects = only("permute")});
  return op;
}

OpCase make_expand() {
  OpCase op{.name = "expand"};
  const std::vector<std::pair<Shape, Shape>> cases{
      {{}, {}},          {{}, {3, 2}},          {{1}, {0}},       {{0}, {4, 0}},
      {{5}, {3, 5}},     {{5, 1}, {5, 3}},      {{3, 5}, {3, 5}}, {{2, 1, 3}, {4, 2, 5, 3}},
      {{70}, {500, 70}}, {{600, 1}, {600, 60}},
  };
  for (const auto& [from, to] : cases) {
    op.configs.push_back(
        {.name = to_string(from) + "_to_" + to_string(to),
         .inputs = {{"x", from}},
         .run = [to = to](const Variables& in) { return Variables{autograd::expand(in[0], to)}; },
         .reference =
             [to = to](const Arrays& in) {
               Array y(to);
               const Shape& shape = in[0].shape;
               for (int64_t i = 0; i < y.numel(); ++i) {
                 auto places = places_of(to, i);
                 places.erase(places.begin(), places.begin() + (to.dims() - shape.dims()));
                 for (int d = 0; d < shape.dims(); ++d) {
                   if (shape[d] == 1) places[static_cast<size_t>(d)] = 0;
                 }
                 y[i] = in[0][offset_of(shape, places)];
               }
               return Arrays{y};
             }});
  }
  op.goldens.push_back({.file = "ops_moves.safetensors",
                        .inputs = {"x"},
                        .run =
                            [](const Variables& in, const nlohmann::json& p, const auto&) {
                              return autograd::expand(
                                  in[0], Shape(p.at("target").get<std::vector<int64_t>>()));
                            },
                        .selects = only("expand")});
  // Sums of up to 500 gradients.
  op.float32 = {1e-4, 1e-5};
  op.bfloat16 = {0.1, 1e-2};
  return op;
}

OpCase make_pad() {
  OpCase op{.name = "pad"};
  const std::vector<std::pair<Shape, std::vector<Padding>>> cases{
      {{}, {}},
      {{0}, {{0, 2, 1}}},
      {{3}, {{0, 0, 0}}},
      {{3, 5}, {{1, 2, 0}}},
      {{3, 5}, {{0, 1, 1}, {-1, 0, 3}}},
      {{2, 3, 4, 5}, {{1, 1, 2}, {2, 3, 0}}},
      {{2, 30, 40, 33}, {{1, 0, 2}, {2, 0, 24}}},
  };
  for (const auto& [shape, paddings] : cases) {
    op.configs.push_back(
        {.name = to_string(shape) + "_" + std::to_string(op.configs.size()),
         .inputs = {{"x", shape}},
         .run = [paddings = paddings](
                    const Variables& in) { return Variables{autograd::pad(in[0], paddings, -2)}; },
         .reference =
             [paddings = paddings](const Arrays& in) {
               Shape to = in[0].shape, start = in[0].shape;
               for (int d = 0; d < to.dims(); ++d) start[d] = 0;
               for (const Padding& p : paddings) {
                 to[p.dim] += p.before + p.after;
                 start[p.dim] += p.before;
               }
               Array y(to);
               std::fill(y.values.begin(), y.values.end(), -2.0);
               for (int64_t i = 0; i < in[0].numel(); ++i) {
                 auto places = places_of(in[0].shape, i);
                 for (int d = 0; d < to.dims(); ++d) places[static_cast<size_t>(d)] += start[d];
                 y[offset_of(to, places)] = in[0][i];
               }
               return Arrays{y};
             }});
  }
  op.goldens.push_back({.file = "ops_moves.safetensors",
                        .inputs = {"x"},
                        .run =
                            [](const Variables& in, const nlohmann::json& p, const auto&) {
                              std::vector<Padding> paddings;
                              for (const auto& padding : p.at("paddings")) {
                                paddings.push_back({padding[0], padding[1], padding[2]});
                              }
                              return autograd::pad(in[0], paddings, p.at("value"));
                            },
                        .selects = only("pad")});
  return op;
}

/// Indices into `length`, some of them several times.
Tensor some_indices(const Shape& shape, int64_t length) {
  Tensor indices = Tensor::empty(shape, DType::Int64);
  for (int64_t i = 0; i < indices.numel(); ++i) {
    indices.data<int64_t>()[i] = i * 7919 % 101 % length;
  }
  return indices;
}

struct TakeCase {
  Shape shape;
  int dim;
  int64_t count;
};
const std::vector<TakeCase> kTakes{
    {{3}, 0, 5},       {{3}, 0, 0},         {{1, 4}, 1, 3},     {{3, 0}, 0, 2},
    {{5, 6}, 1, 4},    {{4, 5, 6}, 1, 9},   {{4, 5, 6}, -1, 1}, {{4, 5, 6}, 0, 7},
    {{70, 80}, 1, 90}, {{3, 60, 70}, 1, 5},
};

/// indices[...] of dimension dim, which differ from row to row (gather) or do not.
OpCase takes(const std::string& name, bool by_row) {
  OpCase op{.name = name};
  for (const TakeCase& c : kTakes) {
    const int d = c.dim < 0 ? c.dim + c.shape.dims() : c.dim;
    Shape to = c.shape;
    to[d] = c.count;
    const Tensor indices = some_indices(by_row ? to : Shape{c.count}, c.shape[d]);
    op.configs.push_back({.name = to_string(c.shape) + "_" + std::to_string(c.count) + "_of_" +
                                  std::to_string(c.dim),
                          .inputs = {{"x", c.shape}},
                          .run =
                              [c, by_row, indices](const Variables& in) {
                                const Tensor there = indices.to(in[0].device());
                                return Variables{by_row
                                                     ? autograd::gather(in[0], c.dim, there)
                                                     : autograd::index_select(in[0], c.dim, there)};
                              },
                          .reference =
                              [to, d, by_row, indices](const Arrays& in) {
                                Array y(to);
                                for (int64_t i = 0; i < y.numel(); ++i) {
                                  auto places = places_of(to, i);
                                  int64_t& place = places[static_cast<size_t>(d)];
                                  place = indices.data<int64_t>()[by_row ? i : place];
                                  y[i] = in[0][offset_of(in[0].shape, places)];
                                }
                                return Arrays{y};
                              }});
  }
  op.goldens.push_back(
      {.file = "ops_moves.safetensors",
       .inputs = {"x"},
       .run =
           [by_row](const Variables& in, const nlohmann::json& p, const auto& tensor) {
             const Tensor indices = tensor("indices").to(in[0].device());
             return by_row ? autograd::gather(in[0], p.at("dim"), indices)
                           : autograd::index_select(in[0], p.at("dim"), indices);
           },
       .selects = only(name)});
  op.bfloat16 = {5e-2, 1e-2};
  return op;
}

OpCase make_gather() {
  return takes("gather", true);
}
OpCase make_index_select() {
  return takes("index_select", false);
}

OpCase make_batched_matmul() {
  OpCase op{.name = "batched_matmul"};
  struct Case {
    int64_t batch, m, n, k;
    bool trans_a = false, trans_b = false;
  };
  for (const Case& c : std::vector<Case>{{0, 3, 4, 5},
                                         {2, 0, 4, 5},
                                         {2, 3, 4, 0},
                                         {1, 1, 1, 1},
                                         {3, 5, 7, 4},
                                         {3, 5, 7, 4, true, false},
                                         {3, 5, 7, 4, false, true},
                                         {3, 5, 7, 4, true, true},
                                         {2, 33, 65, 49},
                                         {2, 33, 65, 49, true, false},
                                         {2, 33, 65, 49, false, true},
                                         {2, 33, 65, 49, true, true},
                                         {5, 16, 24, 32},
                                         {2, 8, 8, 700, false, true}}) {
    const Shape a = c.trans_a ? Shape{c.batch, c.k, c.m} : Shape{c.batch, c.m, c.k};
    const Shape b = c.trans_b ? Shape{c.batch, c.n, c.k} : Shape{c.batch, c.k, c.n};
    op.configs.push_back(
        {.name = std::to_string(c.batch) + "_" + std::to_string(c.m) + "x" + std::to_string(c.k) +
                 "x" + std::to_string(c.n) + (c.trans_a ? "_ta" : "") + (c.trans_b ? "_tb" : ""),
         .inputs = {{"a", a}, {"b", b}},
         .run =
             [c](const Variables& in) {
               return Variables{autograd::batched_matmul(in[0], in[1], c.trans_a, c.trans_b)};
             },
         .reference =
             [c](const Arrays& in) {
               Array y(Shape{c.batch, c.m, c.n});
               for (int64_t i = 0; i < y.numel(); ++i) {
                 const int64_t column = i % c.n, row = i / c.n % c.m, batch = i / c.n / c.m;
                 for (int64_t l = 0; l < c.k; ++l) {
                   y[i] += (c.trans_a ? in[0].at(batch, l, row) : in[0].at(batch, row, l)) *
                           (c.trans_b ? in[1].at(batch, column, l) : in[1].at(batch, l, column));
                 }
               }
               return Arrays{y};
             }});
  }
  op.goldens.push_back({.file = "ops_moves.safetensors",
                        .inputs = {"a", "b"},
                        .run =
                            [](const Variables& in, const nlohmann::json& p, const auto&) {
                              return autograd::batched_matmul(in[0], in[1], p.at("trans_a"),
                                                              p.at("trans_b"));
                            },
                        .selects = only("batched_matmul")});
  // Sums of up to 700 products of size about 1; bfloat16 rounds results of up to about 80.
  op.float32 = {2e-4, 1e-5};
  op.bfloat16 = {5e-2, 1e-2};
  op.gradcheck_tolerance = 1e-5;
  return op;
}

const OpCaseRegistration permute_case("permute", make_permute);
const OpCaseRegistration expand_case("expand", make_expand);
const OpCaseRegistration pad_case("pad", make_pad);
const OpCaseRegistration gather_case("gather", make_gather);
const OpCaseRegistration index_select_case("index_select", make_index_select);
const OpCaseRegistration batched_matmul_case("batched_matmul", make_batched_matmul);

}  // namespace
}  // namespace kestrel::test
