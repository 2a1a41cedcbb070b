#include <kestrel/autograd/functions/pooling.h>

#include <cmath>
#include <limits>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

using autograd::Pool2dOptions;

/// Output size as PyTorch's pooling documents it.
int64_t side(int64_t in, const Pool2dOptions& o) {
  const double span =
      static_cast<double>(in + 2 * o.pad - o.kernel) / static_cast<double>(o.stride);
  auto out = static_cast<int64_t>(o.ceil_mode ? std::ceil(span) : std::floor(span)) + 1;
  if (o.ceil_mode && (out - 1) * o.stride >= in + o.pad) --out;
  return out;
}

Array pooling_reference(const Array& x, const Pool2dOptions& o, bool max) {
  const int64_t height = x.shape[1], width = x.shape[2];
  Array y(Shape{x.shape[0], side(height, o), side(width, o), x.shape[3]});
  for (int64_t n = 0; n < y.shape[0]; ++n) {
    for (int64_t oy = 0; oy < y.shape[1]; ++oy) {
      for (int64_t ox = 0; ox < y.shape[2]; ++ox) {
        for (int64_t c = 0; c < y.shape[3]; ++c) {
          double best = -std::numeric_limits<double>::infinity(), total = 0;
          int64_t padded = 0, inside = 0;
          bool found_nan = false;
          for (int64_t ky = 0; ky < o.kernel; ++ky) {
            for (int64_t kx = 0; kx < o.kernel; ++kx) {
              const int64_t iy = oy * o.stride - o.pad + ky, ix = ox * o.stride - o.pad + kx;
              if (iy < height + o.pad && ix < width + o.pad) ++padded;
              if (iy < 0 || ix < 0 || iy >= height || ix >= width) continue;
              const double v = x.at(n, iy, ix, c);
              ++inside;
              total += v;
              if (v > best) best = v;
              found_nan |= std::isnan(v);
            }
          }
          const auto count = static_cast<double>(o.count_include_pad ? padded : inside);
          y.at(n, oy, ox, c) = max ? (found_nan ? std::nan("") : best) : total / count;
        }
      }
    }
  }
  return y;
}

OpCase pooling(const std::string& name, bool max) {
  const auto pool = max ? autograd::max_pool2d : autograd::avg_pool2d;
  OpCase op{.name = name};
  const std::vector<std::pair<Shape, Pool2dOptions>> cases{
      {{0, 4, 4, 3}, {}},
      {{2, 4, 4, 0}, {}},
      {{1, 1, 1, 1}, {1, 1, 0}},
      {{1, 2, 2, 1}, {}},
      {{2, 7, 6, 5}, {}},
      {{2, 7, 6, 5}, {2, 2, 0, true}},
      {{2, 7, 6, 5}, {2, 2, 1, true}},
      {{1, 9, 11, 4}, {3, 2, 1}},
      {{1, 9, 11, 4}, {3, 2, 1, true}},
      {{1, 9, 11, 4}, {3, 2, 1, true, false}},
      {{1, 9, 11, 4}, {3, 1, 1, false, false}},
      {{1, 5, 5, 70}, {5, 3, 2}},
      {{1, 5, 8, 3}, {1, 2, 0}},
      {{1, 4, 4, 3}, {2, 3, 0, true}},
      {{1, 17, 19, 2}, {16, 1, 8}},
      {{2, 41, 37, 24}, {3, 2, 1}},
  };
  for (const auto& [shape, options] : cases) {
    op.configs.push_back(
        {.name = to_string(shape) + "_k" + std::to_string(options.kernel) + "_s" +
                 std::to_string(options.stride),
         .inputs = {{"x", shape}},
         .run = [pool, o = options](const Variables& in) { return Variables{pool(in[0], o)}; },
         .reference = [max, o = options](
                          const Arrays& in) { return Arrays{pooling_reference(in[0], o, max)}; }});
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  op.configs.push_back(
      {.name = "not_finite",
       .inputs = {{.name = "x",
                   .shape = {1, 4, 4, 1},
                   .values = {nan, 1, 2, nan, 0, 3, 4, 5, -inf, -inf, inf, 1, -inf, -inf, 2, 3}}},
       .run = [pool](const Variables& in) { return Variables{pool(in[0], {})}; },
       .reference = [max](const Arrays& in) { return Arrays{pooling_reference(in[0], {}, max)}; },
       .gradients = false});
  op.goldens.push_back(
      {.file = "ops_pool2d.safetensors",
       .inputs = {"x"},
       .run =
           [pool](const Variables& in, const nlohmann::json& p, const auto&) {
             return pool(in[0], {p.at("kernel"), p.at("stride"), p.at("pad"), p.at("ceil_mode"),
                                 p.at("count_include_pad")});
           },
       .selects =
           [max](const nlohmann::json& p) { return p.at("kind") == (max ? "max" : "avg"); }});
  return op;
}

const OpCaseRegistration max_pool2d_case("max_pool2d", [] { return pooling("max_pool2d", true); });
const OpCaseRegistration avg_pool2d_case("avg_pool2d", [] { return pooling("avg_pool2d", false); });

}  // namespace
}  // namespace kestrel::test
