#include <kestrel/autograd/functions/fold_batch_norm.h>

#include <cmath>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

Arrays fold_batch_norm_reference(const Arrays& in) {
  Array weight = in[0], bias(in[1].shape);
  for (int64_t i = 0; i < weight.numel(); ++i) {
    const int64_t o = i / weight.shape.stride(0);
    weight[i] *= in[1][o] / std::sqrt(in[4][o] + 1e-5);
  }
  for (int64_t o = 0; o < bias.numel(); ++o) {
    bias[o] = in[2][o] - in[3][o] * in[1][o] / std::sqrt(in[4][o] + 1e-5);
  }
  return {weight, bias};
}

OpCase make_fold_batch_norm() {
  OpCase op{.name = "fold_batch_norm"};
  for (const Shape& shape : {Shape{0, 1, 1, 3}, Shape{1, 1, 1, 1}, Shape{3, 3, 3, 5},
                             Shape{64, 1, 1, 17}, Shape{70, 3, 3, 66}}) {
    const Shape channels{shape[0]};
    const auto statistic = [&channels](const char* name, bool differentiable, bool positive) {
      return OpInput{.name = name,
                     .shape = channels,
                     .differentiable = differentiable,
                     .parameter = true,
                     .positive = positive};
    };
    op.configs.push_back({.name = to_string(shape),
                          .inputs = {{.name = "weight", .shape = shape, .parameter = true},
                                     statistic("gamma", true, false),
                                     statistic("beta", true, false),
                                     statistic("mean", false, false),
                                     statistic("var", false, true)},
                          .run =
                              [](const Variables& in) {
                                const auto folded = autograd::fold_batch_norm(
                                    in[0], in[1], in[2], in[3].data(), in[4].data(), 1e-5);
                                return Variables{folded.weight, folded.bias};
                              },
                          .reference = fold_batch_norm_reference});
  }
  // Gradients of gamma are sums over up to 594 weights, of size up to some 100.
  op.float32 = {1e-4, 1e-5};
  return op;
}

const OpCaseRegistration fold_batch_norm_case("fold_batch_norm", make_fold_batch_norm);

}  // namespace
}  // namespace kestrel::test
