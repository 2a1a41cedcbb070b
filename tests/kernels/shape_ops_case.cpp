#include <kestrel/autograd/functions/shape_ops.h>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

OpCase make_reshape() {
  OpCase op{.name = "reshape"};
  const std::vector<std::pair<Shape, Shape>> cases{{{0, 3}, {3, 0}}, {{1}, {}},
                                                   {{}, {1, 1}},     {{2, 3, 4}, {6, -1}},
                                                   {{5, 7}, {35}},   {{2, 3, 4, 5}, {-1}}};
  for (const auto& [from, to] : cases) {
    op.configs.push_back(
        {.name = to_string(from) + "_to_" + to_string(to),
         .inputs = {{"x", from}},
         .run = [shape = to](
                    const Variables& in) { return Variables{autograd::reshape(in[0], shape)}; },
         .reference =
             [shape = to](const Arrays& in) {
               Array y = in[0];
               y.shape = Tensor::empty(in[0].shape).reshape(shape).shape();
               return Arrays{y};
             }});
  }
  return op;
}

OpCase make_slice() {
  OpCase op{.name = "slice"};
  struct Case {
    Shape shape;
    int64_t begin, end;
  };
  for (const Case& c : std::vector<Case>{{{0, 3}, 0, 0},
                                         {{1}, 0, 1},
                                         {{7}, 2, 2},
                                         {{7, 3}, 0, 4},
                                         {{7, 3}, 4, 7},
                                         {{5, 2, 3}, 1, 4},
                                         {{300, 301}, 17, 250}}) {
    op.configs.push_back(
        {.name = to_string(c.shape) + "_from_" + std::to_string(c.begin),
         .inputs = {{"x", c.shape}},
         .run =
             [c](const Variables& in) { return Variables{autograd::slice(in[0], c.begin, c.end)}; },
         .reference =
             [c](const Arrays& in) {
               Shape shape = c.shape;
               shape[0] = c.end - c.begin;
               Array y(shape);
               for (int64_t i = 0; i < y.numel(); ++i) y[i] = in[0][c.begin * shape.stride(0) + i];
               return Arrays{y};
             }});
  }
  return op;
}

OpCase make_narrow() {
  OpCase op{.name = "narrow"};
  struct Case {
    Shape shape;
    int dim;
    int64_t begin, end;
  };
  for (const Case& c : std::vector<Case>{{{0, 3}, 1, 1, 2},
                                         {{1}, 0, 0, 1},
                                         {{7}, -1, 2, 2},
                                         {{7, 3}, 0, 4, 7},
                                         {{7, 3}, 1, 0, 2},
                                         {{5, 4, 3}, 1, 1, 4},
                                         {{2, 5, 6, 27}, -1, 18, 27},
                                         {{2, 30, 31, 27}, 3, 0, 18}}) {
    const int axis = c.dim < 0 ? c.dim + c.shape.dims() : c.dim;
    op.configs.push_back(
        {.name =
             to_string(c.shape) + "_" + std::to_string(c.dim) + "_from_" + std::to_string(c.begin),
         .inputs = {{"x", c.shape}},
         .run =
             [c](const Variables& in) {
               return Variables{autograd::narrow(in[0], c.dim, c.begin, c.end)};
             },
         .reference =
             [c, axis](const Arrays& in) {
               Shape shape = c.shape;
               shape[axis] = c.end - c.begin;
               Array y(shape);
               const int64_t length = shape[axis] * shape.stride(axis);
               const int64_t row = c.shape[axis] * shape.stride(axis);
               for (int64_t i = 0; i < y.numel(); ++i) {
                 y[i] = in[0][i / length * row + c.begin * shape.stride(axis) + i % length];
               }
               return Arrays{y};
             }});
  }
  return op;
}

Array concat(const Arrays& parts, int axis) {
  Shape shape = parts[0].shape;
  shape[axis] = 0;
  for (const Array& part : parts) shape[axis] += part.shape[axis];
  Array y(shape);
  int64_t start = 0;
  for (const Array& part : parts) {
    for (int64_t i = 0; i < part.numel(); ++i) {
      // Position along the axis, before it and after it.
      const int64_t inner = shape.stride(axis);
      const int64_t after = i % inner, at = i / inner % part.shape[axis];
      const int64_t before = i / inner / part.shape[axis];
      y[(before * shape[axis] + start + at) * inner + after] = part[i];
    }
    start += part.shape[axis];
  }
  return y;
}

OpCase make_concat() {
  OpCase op{.name = "concat"};
  const std::vector<std::pair<std::vector<Shape>, int>> cases{
      {{{3}}, 0},
      {{{0}, {2}, {0}}, 0},
      {{{2, 3}, {4, 3}}, 0},
      {{{2, 3}, {2, 1}, {2, 5}}, 1},
      {{{2, 3}, {2, 0}}, -1},
      {{{0, 3}, {0, 4}}, 1},
      {{{2, 3, 4, 5}, {2, 3, 4, 1}}, -1},
      {{{2, 3, 4, 5}, {2, 1, 4, 5}, {2, 2, 4, 5}}, 1},
      {{{2, 3, 4, 5}, {2, 3, 7, 5}}, 2},
      {{{2, 50, 50, 33}, {2, 50, 50, 31}}, 3},
  };
  for (const auto& [shapes, dim] : cases) {
    const int axis = dim < 0 ? dim + shapes[0].dims() : dim;
    OpConfig config{.name = to_string(shapes[0]) + "_" + std::to_string(dim)};
    for (size_t i = 0; i < shapes.size(); ++i) {
      config.inputs.push_back({"part" + std::to_string(i), shapes[i]});
    }
    config.run = [d = dim](const Variables& in) { return Variables{autograd::concat(in, d)}; };
    config.reference = [axis](const Arrays& in) { return Arrays{concat(in, axis)}; };
    op.configs.push_back(config);
  }
  return op;
}

OpCase make_gather_rows() {
  OpCase op{.name = "gather_rows"};
  struct Case {
    Shape shape;
    std::vector<int64_t> indices;
  };
  std::vector<Case> cases{{{0, 3}, {}},          {{1}, {0}},
                          {{5, 3}, {}},          {{5, 3}, {4, 0, 4, 4, 1}},
                          {{5, 0}, {1, 2}},      {{4, 2, 3}, {3, 2, 1, 0}},
                          {{6}, {5, 5, 5, 5, 5}}};
  Case large{{997, 61}, {}};
  for (int64_t i = 0; i < 3001; ++i) large.indices.push_back(i * i * 31 % 997);
  cases.push_back(large);
  for (const Case& c : cases) {
    op.configs.push_back(
        {.name = to_string(c.shape) + "_" + std::to_string(c.indices.size()),
         .inputs = {{"x", c.shape}},
         .run =
             [c](const Variables& in) {
               const Tensor indices =
                   Tensor::from(c.indices, {static_cast<int64_t>(c.indices.size())});
               return Variables{autograd::gather_rows(in[0], indices.to(in[0].device()))};
             },
         .reference =
             [c](const Arrays& in) {
               Shape shape = c.shape;
               shape[0] = static_cast<int64_t>(c.indices.size());
               Array y(shape);
               const int64_t length = shape.stride(0);
               for (int64_t i = 0; i < y.numel(); ++i) {
                 y[i] = in[0][c.indices[static_cast<size_t>(i / length)] * length + i % length];
               }
               return Arrays{y};
             }});
  }
  op.bfloat16 = {6e-2, 1e-2};  // A gradient adds up to a few rows of size about 5 before rounding.
  return op;
}

OpCase make_cast() {
  OpCase op{.name = "cast"};
  for (const DType middle : {DType::Float32, DType::Float64, DType::BFloat16}) {
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{3, 5}, Shape{70001}}) {
      op.configs.push_back({.name = to_string(shape) + "_" + std::string(name_of(middle)),
                            .inputs = {{"x", shape}},
                            .run =
                                [middle](const Variables& in) {
                                  return Variables{
                                      autograd::cast(autograd::cast(in[0], middle), in[0].dtype())};
                                },
                            .reference =
                                [middle](const Arrays& in) {
                                  return Arrays{in[0].map([middle](double x) {
                                    if (middle == DType::Float32)
                                      return static_cast<double>(static_cast<float>(x));
                                    if (middle == DType::Float64) return x;
                                    return static_cast<double>(bfloat16(static_cast<float>(x)));
                                  })};
                                },
                            // Central differences of a rounding function are noise.
                            .gradients = middle == DType::Float64});
    }
  }
  return op;
}

const OpCaseRegistration reshape_case("reshape", make_reshape);
const OpCaseRegistration slice_case("slice", make_slice);
const OpCaseRegistration narrow_case("narrow", make_narrow);
const OpCaseRegistration concat_case("concat", make_concat);
const OpCaseRegistration gather_rows_case("gather_rows", make_gather_rows);
const OpCaseRegistration cast_case("cast", make_cast);

}  // namespace
}  // namespace kestrel::test
