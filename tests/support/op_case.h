#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <kestrel/autograd/variable.h>
#include <kestrel/tensor/random.h>
#include <kestrel/tensor/safetensors.h>

/// One declaration per operator, from which the suite tests it in every way there is.
///
/// To add an operator, write tests/kernels/<op>_case.cpp:
///
///   namespace kestrel::test {
///   namespace {
///
///   OpCase make_scale() {
///     OpCase op{.name = "scale"};
///     for (const Shape& shape : {Shape{}, Shape{0}, Shape{1}, Shape{3, 5, 7}}) {
///       op.configs.push_back({
///           .name = to_string(shape),
///           .inputs = {{"x", shape}},
///           .run = [](const Variables& in) { return Variables{autograd::scale(in[0], 2.5)}; },
///           .reference = [](const Arrays& in) {
///             return Arrays{in[0].map([](double x) { return 2.5 * x; })};
///           }});
///     }
///     return op;
///   }
///   const OpCaseRegistration scale_case("scale", make_scale);
///
///   }  // namespace
///   }  // namespace kestrel::test
///
/// From it come five tests, OpCase.<op>_<check>, each over all configurations:
///
///   forward    float32, float64 and bfloat16 on every device, against the reference in double of
///              the same (rounded) inputs
///   gradcheck  backward against central differences, in float64, on every device
///   gradients  float32 and bfloat16 gradients on every device, against those of float64 on the CPU
///   threads    one and two threads give the same bits, outputs and gradients, float32 and bfloat16
///   goldens    outputs and gradients against PyTorch's, in float32 and float64 (where there is a
///              file, tests/golden/data/ops_<op>.safetensors)
///
/// Configurations should be small (a millisecond or so) and cover the empty, 1, odd sizes, sizes
/// beyond a vector, and at least one that is split over threads. Integer operands (labels, indices)
/// are captured by `run`, which moves them to the device of its inputs.
namespace kestrel::test {

using Variables = std::vector<Variable>;

/// A dense array of doubles: what references compute with.
struct Array {
  Shape shape;
  std::vector<double> values;

  Array() = default;
  /// Filled with zeros.
  explicit Array(const Shape& s) : shape(s), values(static_cast<size_t>(s.numel())) {}

  double& operator[](int64_t i) { return values[static_cast<size_t>(i)]; }
  double operator[](int64_t i) const { return values[static_cast<size_t>(i)]; }
  int64_t numel() const { return shape.numel(); }
  /// Element at (index...).
  template <class... I>
  double& at(I... index) {
    return values[offset({static_cast<int64_t>(index)...})];
  }
  template <class... I>
  double at(I... index) const {
    return values[offset({static_cast<int64_t>(index)...})];
  }
  template <class F>
  Array map(F f) const {
    Array result(shape);
    for (size_t i = 0; i < values.size(); ++i) result.values[i] = f(values[i]);
    return result;
  }
  template <class F>
  Array map(const Array& other, F f) const {
    Array result(shape);
    for (size_t i = 0; i < values.size(); ++i) result.values[i] = f(values[i], other.values[i]);
    return result;
  }

 private:
  size_t offset(std::initializer_list<int64_t> index) const {
    int64_t result = 0;
    int i = 0;
    for (const int64_t k : index) result = result * shape[i++] + k;
    return static_cast<size_t>(result);
  }
};
using Arrays = std::vector<Array>;

/// How an input's values are drawn.
struct OpInput {
  std::string name;
  Shape shape;
  double mean = 0, std = 1;         ///< Normal.
  bool differentiable = true;       ///< Takes part in the gradient checks.
  bool parameter = false;           ///< Float32, not bfloat16, beside bfloat16 operands.
  bool positive = false;            ///< Absolute values of the draws.
  std::vector<double> values = {};  ///< Given instead of drawn.
};

struct OpConfig {
  std::string name;
  std::vector<OpInput> inputs;
  std::function<Variables(const Variables&)> run;
  std::function<Arrays(const Arrays&)> reference;
  /// Of the outputs, only so many, from the first, take part in gradients; all where negative.
  int differentiable_outputs = -1;
  bool gradients = true;
};

/// |got - reference| <= absolute + relative * |reference|.
struct Tolerance {
  double absolute, relative;
};

/// Values made by tests/golden/ops.py. The file's metadata lists its cases and their parameters.
struct Golden {
  std::string file;                 ///< Below tests/golden/data.
  std::vector<std::string> inputs;  ///< Tensors of a case; one that it lacks is undefined.
  std::string output = "output";    ///< With its gradient grad_output, or 1 where there is none.
  /// `tensor(name)` is a further tensor of the case, in its own dtype, undefined where it lacks it.
  std::function<Variable(const Variables& inputs, const nlohmann::json& parameters,
                         const std::function<Tensor(const std::string&)>& tensor)>
      run;
  /// Whether the operator has this case; all by default.
  std::function<bool(const nlohmann::json& parameters)> selects = {};
};

struct OpCase {
  std::string name;
  std::vector<OpConfig> configs = {};
  /// Rounding of one operation of each dtype, with room for a few; operators that sum many terms
  /// say what they need and why. Float64 is held to what its own summation order can change.
  Tolerance float32{1e-5, 1e-5};
  Tolerance float64{1e-11, 1e-11};
  /// Half a unit in the last place is 2^-9 = 0.002, relative; inputs and stored intermediates are
  /// rounded alike.
  Tolerance bfloat16{1e-2, 1e-2};
  double gradcheck_tolerance = 1e-6;
  std::vector<Golden> goldens = {};
};

/// Enters an operator's tests into GoogleTest; define one, as a constant, per operator.
class OpCaseRegistration {
 public:
  OpCaseRegistration(std::string name, std::function<OpCase()> make);
};

/// All checks of all registered operators: one per configuration, dtype, device and kind.
int64_t planned_op_cases();
std::vector<std::string> registered_ops();

/// "2x3x5", or "scalar".
std::string to_string(const Shape& shape);

}  // namespace kestrel::test
