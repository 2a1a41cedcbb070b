#include <kestrel/autograd/functions/upsample.h>

#include <algorithm>
#include <cmath>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

struct Resize {
  Shape shape;
  int64_t height, width;
};

const std::vector<Resize> kResizes{
    {{0, 3, 3, 2}, 6, 6},      {{1, 3, 3, 0}, 6, 6},    {{2, 3, 3, 2}, 0, 4},
    {{1, 1, 1, 1}, 1, 1},      {{1, 1, 1, 3}, 4, 5},    {{2, 3, 4, 5}, 6, 8},
    {{2, 3, 4, 5}, 3, 4},      {{2, 4, 3, 5}, 7, 5},    {{1, 7, 9, 3}, 3, 4},
    {{1, 5, 5, 17}, 1, 1},     {{1, 7, 10, 9}, 13, 20}, {{2, 13, 11, 33}, 25, 22},
    {{1, 25, 34, 64}, 50, 68},
};

std::string name_of(const Resize& r) {
  return to_string(r.shape) + "_to_" + std::to_string(r.height) + "x" + std::to_string(r.width);
}

/// y(n, i, j, c) = f(n, i, j, c) for every element.
template <class F>
Array build(const Resize& r, F f) {
  Array y(Shape{r.shape[0], r.height, r.width, r.shape[3]});
  for (int64_t n = 0; n < y.shape[0]; ++n) {
    for (int64_t i = 0; i < r.height; ++i) {
      for (int64_t j = 0; j < r.width; ++j) {
        for (int64_t c = 0; c < y.shape[3]; ++c) y.at(n, i, j, c) = f(n, i, j, c);
      }
    }
  }
  return y;
}

Array nearest(const Array& x, const Resize& r) {
  return build(r, [&](int64_t n, int64_t i, int64_t j, int64_t c) {
    return x.at(n, i * x.shape[1] / r.height, j * x.shape[2] / r.width, c);
  });
}

Array bilinear(const Array& x, const Resize& r, bool align_corners) {
  const auto source = [align_corners](int64_t i, int64_t in, int64_t out) {
    const auto a = static_cast<double>(i), n = static_cast<double>(in),
               m = static_cast<double>(out);
    if (align_corners) return out > 1 ? a * (n - 1) / (m - 1) : 0.0;
    return std::max(0.0, (a + 0.5) * n / m - 0.5);
  };
  return build(r, [&](int64_t n, int64_t i, int64_t j, int64_t c) {
    const double y = source(i, x.shape[1], r.height), z = source(j, x.shape[2], r.width);
    double total = 0;
    for (int64_t a = 0; a < x.shape[1]; ++a) {
      for (int64_t b = 0; b < x.shape[2]; ++b) {
        // Tent functions; beyond the last centre the edge is repeated.
        const double wy =
            std::max(0.0, 1 - std::abs(std::min(y, double(x.shape[1] - 1)) - double(a)));
        const double wz =
            std::max(0.0, 1 - std::abs(std::min(z, double(x.shape[2] - 1)) - double(b)));
        total += wy * wz * x.at(n, a, b, c);
      }
    }
    return total;
  });
}

OpCase make_nearest() {
  OpCase op{.name = "upsample_nearest"};
  for (const Resize& r : kResizes) {
    op.configs.push_back(
        {.name = name_of(r),
         .inputs = {{"x", r.shape}},
         .run =
             [r](const Variables& in) {
               return Variables{autograd::upsample_nearest(in[0], r.height, r.width)};
             },
         .reference = [r](const Arrays& in) { return Arrays{nearest(in[0], r)}; }});
  }
  op.goldens.push_back(
      {.file = "ops_interpolate.safetensors",
       .inputs = {"x"},
       .run =
           [](const Variables& in, const nlohmann::json& p, const auto&) {
             return autograd::upsample_nearest(in[0], p.at("height"), p.at("width"));
           },
       .selects = [](const nlohmann::json& p) { return p.at("mode") == "nearest"; }});
  return op;
}

OpCase make_nearest_add() {
  OpCase op{.name = "upsample_nearest_add"};
  for (const Resize& r : kResizes) {
    op.configs.push_back({.name = name_of(r),
                          .inputs = {{"top", r.shape},
                                     {"lateral", Shape{r.shape[0], r.height, r.width, r.shape[3]}}},
                          .run =
                              [](const Variables& in) {
                                return Variables{autograd::upsample_nearest_add(in[0], in[1])};
                              },
                          .reference =
                              [r](const Arrays& in) {
                                return Arrays{nearest(in[0], r).map(
                                    in[1], [](double a, double b) { return a + b; })};
                              }});
  }
  return op;
}

OpCase make_bilinear() {
  OpCase op{.name = "upsample_bilinear"};
  for (const Resize& r : kResizes) {
    if (r.shape.numel() > 10000) continue;  // The reference looks at every source for every output.
    for (const bool align_corners : {false, true}) {
      op.configs.push_back({.name = name_of(r) + (align_corners ? "_corners" : ""),
                            .inputs = {{"x", r.shape}},
                            .run =
                                [r, align_corners](const Variables& in) {
                                  return Variables{autograd::upsample_bilinear(
                                      in[0], r.height, r.width, align_corners)};
                                },
                            .reference =
                                [r, align_corners](const Arrays& in) {
                                  return Arrays{bilinear(in[0], r, align_corners)};
                                }});
    }
  }
  op.goldens.push_back(
      {.file = "ops_interpolate.safetensors",
       .inputs = {"x"},
       .run =
           [](const Variables& in, const nlohmann::json& p, const auto&) {
             return autograd::upsample_bilinear(in[0], p.at("height"), p.at("width"));
           },
       .selects = [](const nlohmann::json& p) { return p.at("mode") == "bilinear"; }});
  return op;
}

const OpCaseRegistration nearest_case("upsample_nearest", make_nearest);
const OpCaseRegistration nearest_add_case("upsample_nearest_add", make_nearest_add);
const OpCaseRegistration bilinear_case("upsample_bilinear", make_bilinear);

}  // namespace
}  // namespace kestrel::test
