#include <kestrel/autograd/functions/batch_norm.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

struct BatchNormCase {
  const char* name;
  Shape shape;
  bool training = true;
  bool relu = false;
  bool residual = false;
  bool affine = true;
  double momentum = 0.1;
  double mean = 0.5;
};

/// Inputs x, weight, bias, running mean and variance, residual.
Arrays batch_norm_reference(const Arrays& in, const BatchNormCase& c) {
  const Array& x = in[0];
  const int64_t channels = x.shape[-1];
  const int64_t rows = channels ? x.numel() / channels : 0;
  Array y(x.shape), running_mean = in[3], running_var = in[4];
  for (int64_t k = 0; k < channels; ++k) {
    double mean = in[3][k], variance = in[4][k];
    if (c.training && rows > 0) {
      mean = variance = 0;
      for (int64_t r = 0; r < rows; ++r) mean += x[r * channels + k] / static_cast<double>(rows);
      for (int64_t r = 0; r < rows; ++r) {
        variance += std::pow(x[r * channels + k] - mean, 2) / static_cast<double>(rows);
      }
      running_mean[k] = (1 - c.momentum) * in[3][k] + c.momentum * mean;
      if (rows > 1) {
        const double unbiased =
            variance * static_cast<double>(rows) / static_cast<double>(rows - 1);
        running_var[k] = (1 - c.momentum) * in[4][k] + c.momentum * unbiased;
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      double v = (x[r * channels + k] - mean) / std::sqrt(variance + 1e-5);
      if (c.affine) v = v * in[1][k] + in[2][k];
      if (c.residual) v += in[5][r * channels + k];
      y[r * channels + k] = c.relu && v < 0 ? 0 : v;
    }
  }
  return {y, running_mean, running_var};
}

Variables run_batch_norm(const Variables& in, const BatchNormCase& c) {
  // Clones: a configuration is run many times and must start from the same statistics.
  Tensor running_mean = in[3].data().clone(), running_var = in[4].data().clone();
  const Variable y = autograd::batch_norm(
      in[0], c.affine ? in[1] : Variable(), c.affine ? in[2] : Variable(), running_mean,
      running_var, {.training = c.training, .momentum = c.momentum, .relu = c.relu},
      c.residual ? in[5] : Variable());
  return {y, Variable(running_mean), Variable(running_var)};
}

OpCase make_batch_norm() {
  const std::vector<BatchNormCase> cases{
      {"empty", {0, 4, 4, 3}},
      {"no_channels", {2, 3, 0}},
      {"one_value", {1, 1, 1, 1}},
      {"one_row", {1, 5}},
      {"two_rows", {2, 1, 1, 9}},
      {"odd", {2, 3, 5, 7}},
      {"odd_relu", {2, 3, 5, 7}, true, true},
      {"odd_residual", {2, 3, 5, 7}, true, false, true},
      {"odd_residual_relu", {2, 3, 5, 7}, true, true, true},
      {"odd_plain", {2, 3, 5, 7}, true, false, false, false},
      {"momentum", {2, 3, 5, 7}, true, false, false, true, 0.01},
      {"rows", {37, 16}, true, true, true},
      {"fixed", {2, 3, 5, 7}, false},
      {"fixed_relu", {2, 3, 5, 7}, false, true},
      {"fixed_residual", {2, 3, 5, 7}, false, false, true},
      {"fixed_residual_relu", {2, 3, 5, 7}, false, true, true},
      {"fixed_plain", {2, 3, 5, 7}, false, false, false, false},
      {"fixed_empty", {0, 2, 2, 4}, false, true, true},
      {"many_blocks", {2, 61, 43, 33}, true, true, true},
      {"many_channels", {1, 9, 13, 520}},
  };
  OpCase op{.name = "batch_norm"};
  // Gradients of weights are sums over up to 5,246 rows.
  op.float32 = {1e-4, 1e-5};
  // A gradient is a sum of rounded values; y is stored rounded before the next one is added.
  op.bfloat16 = {3e-2, 1e-2};
  op.gradcheck_tolerance = 1e-5;  // Divides by standard deviations of two to a few values.
  for (const BatchNormCase& c : cases) {
    const Shape channels{c.shape[-1]};
    op.configs.push_back(
        {.name = c.name,
         .inputs =
             {{.name = "x", .shape = c.shape, .mean = c.mean, .std = 2},
              {.name = "weight",
               .shape = channels,
               .mean = 1,
               .std = 0.5,
               .differentiable = c.affine,
               .parameter = true},
              {.name = "bias", .shape = channels, .differentiable = c.affine, .parameter = true},
              {.name = "running_mean",
               .shape = channels,
               .differentiable = false,
               .parameter = true},
              {.name = "running_var",
               .shape = channels,
               .differentiable = false,
               .parameter = true,
               .positive = true},
              {.name = "residual", .shape = c.shape, .differentiable = c.residual}},
         .run = [c](const Variables& in) { return run_batch_norm(in, c); },
         .reference = [c](const Arrays& in) { return batch_norm_reference(in, c); },
         .differentiable_outputs = 1});
  }
  op.goldens.push_back(
      {.file = "ops_batch_norm.safetensors",
       .inputs = {"x", "weight", "bias"},
       .run = [](const Variables& in, const nlohmann::json& p,
                 const std::function<Tensor(const std::string&)>& tensor) {
         const auto statistic = [&](const char* name) {
           return tensor(name).to(in[0].dtype()).to(in[0].device()).clone();
         };
         Tensor mean = statistic("running_mean"), variance = statistic("running_var");
         const Variable y = autograd::batch_norm(
             in[0], in[1], in[2], mean, variance,
             {.training = p.at("training"), .momentum = p.at("momentum"), .eps = p.at("eps")});
         for (int64_t c = 0; p.at("training") && c < mean.numel(); ++c) {
           const auto value = [c](const Tensor& t) {
             return t.to(Device::cpu()).to(DType::Float64).data<double>()[c];
           };
           const double want_mean = value(tensor("new_running_mean"));
           const double want_variance = value(tensor("new_running_var"));
           EXPECT_NEAR(value(mean), want_mean, 1e-6 * std::max(1.0, std::abs(want_mean)));
           EXPECT_NEAR(value(variance), want_variance, 1e-5 * std::max(1.0, want_variance));
         }
         return y;
       }});
  return op;
}

const OpCaseRegistration batch_norm_case("batch_norm", make_batch_norm);

/// The variance survives a mean 10,000 times the spread: inputs near 10,000 are multiples of 2^-10,
/// which the reference sees as well.
OpCase make_batch_norm_offset() {
  OpCase op{.name = "batch_norm_offset"};
  // The mean, near 10,000, is rounded to 2^-11 = 5e-4 in float32; bfloat16 has steps of 64 there,
  // so its spread is all rounding, but the same rounding that the reference sees.
  op.float32 = {2e-3, 1e-3};
  op.bfloat16 = {2e-2, 1e-2};
  op.float64 = {1e-8, 1e-8};
  const BatchNormCase c{.name = "offset", .shape = {2, 31, 17, 19}, .mean = 10000};
  const Shape channels{19};
  op.configs.push_back(
      {.name = c.name,
       .inputs = {{.name = "x", .shape = c.shape, .mean = c.mean},
                  {.name = "weight", .shape = channels, .parameter = true},
                  {.name = "bias", .shape = channels, .parameter = true},
                  {.name = "running_mean", .shape = channels, .parameter = true},
                  {.name = "running_var", .shape = channels, .parameter = true, .positive = true},
                  {.name = "residual", .shape = {0}}},
       .run = [c](const Variables& in) { return run_batch_norm(in, c); },
       .reference = [c](const Arrays& in) { return batch_norm_reference(in, c); },
       .gradients = false});
  return op;
}

const OpCaseRegistration batch_norm_offset_case("batch_norm_offset", make_batch_norm_offset);

}  // namespace
}  // namespace kestrel::test
