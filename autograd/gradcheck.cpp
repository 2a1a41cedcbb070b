#include <kestrel/autograd/gradcheck.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include <kestrel/tensor/random.h>

namespace kestrel::autograd {
namespace {

/// sum over outputs of <high - low, weights>, in double. The difference comes first: outputs that
/// the probed element does not touch then add exactly nothing.
double weighted_difference(const std::vector<Variable>& high, const std::vector<Variable>& low,
                           const std::vector<Tensor>& weights) {
  double total = 0;
  for (size_t i = 0; i < high.size(); ++i) {
    const Tensor high_values = high[i].data().to(Device::cpu());
    const Tensor low_values = low[i].data().to(Device::cpu());
    const double* h = high_values.data<double>();
    const double* l = low_values.data<double>();
    const double* w = weights[i].data<double>();
    for (int64_t j = 0; j < high_values.numel(); ++j) total += (h[j] - l[j]) * w[j];
  }
  return total;
}

}  // namespace

std::string gradcheck(const std::function<std::vector<Variable>(const std::vector<Variable>&)>& f,
                      const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  std::vector<Variable> leaves;
  for (const Tensor& input : inputs) {
    KESTREL_CHECK(input.dtype() == DType::Float64, "[gradcheck] inputs must be float64, got ",
                  input.dtype());
    leaves.emplace_back(input.clone(), true);
  }
  const std::vector<Variable> outputs = f(leaves);
  Philox random(1234);
  std::vector<Tensor> weights;
  for (const Variable& output : outputs) {
    weights.push_back(Tensor::empty(output.shape(), DType::Float64));
    fill_uniform(weights.back(), 0.5, 1.5, random);
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].requires_grad()) {
      outputs[i].backward(weights[i].to(outputs[i].device()), true);
    }
  }

  const NoGrad no_grad;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor analytic = leaves[i].grad().to(Device::cpu());
    const int64_t count = inputs[i].numel();
    const int64_t stride = std::max<int64_t>(1, count / options.max_elements);
    for (int64_t j = 0; j < count; j += stride) {
      const auto probe = [&](double offset) {
        std::vector<Variable> moved;
        for (size_t k = 0; k < inputs.size(); ++k) {
          Tensor value = inputs[k].to(Device::cpu()).clone();
          if (k == i) value.data<double>()[j] += offset;
          moved.emplace_back(value.to(inputs[k].device()));
        }
        return f(moved);
      };
      const double numeric =
          weighted_difference(probe(options.step), probe(-options.step), weights) /
          (2 * options.step);
      const double got = analytic ? analytic.data<double>()[j] : 0;
      if (!(std::abs(got - numeric) <= options.tolerance * std::max(1.0, std::abs(numeric)))) {
        std::ostringstream text;
        text << "input " << i << ", element " << j << ": backward gives " << got
             << ", central difference " << numeric;
        return text.str();
      }
    }
  }
  return "";
}

}  // namespace kestrel::autograd
