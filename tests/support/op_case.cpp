#include "op_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include <kestrel/autograd/gradcheck.h>
#include <kestrel/kernels/device.h>
#include <kestrel/kernels/parallel.h>

#include "simulator.h"

namespace kestrel::test {
namespace {

using Make = std::function<OpCase()>;

std::vector<std::pair<std::string, Make>>& registry() {
  static std::vector<std::pair<std::string, Make>> ops;
  return ops;
}

std::vector<Device> devices() {
  std::vector<Device> result{Device::cpu()};
  if (Device::cuda_count() > 0) result.push_back(Device::cuda(0));
  return result;
}

const std::vector<DType> kDTypes{DType::Float32, DType::Float64, DType::BFloat16};
const std::vector<DType> kNarrowDTypes{DType::Float32, DType::BFloat16};
const std::vector<DType> kGoldenDTypes{DType::Float32, DType::Float64};

Tolerance tolerance_of(const OpCase& op, DType dtype) {
  if (dtype == DType::Float32) return op.float32;
  return dtype == DType::Float64 ? op.float64 : op.bfloat16;
}

/// The dtype of an input in a run in `dtype`.
DType dtype_for(const OpInput& input, DType dtype) {
  return input.parameter && dtype == DType::BFloat16 ? DType::Float32 : dtype;
}

/// A configuration's inputs in float64, holding values that `dtype` can represent.
std::vector<Tensor> draw(const OpConfig& config, DType dtype) {
  std::vector<Tensor> result;
  uint64_t stream = 0;
  for (const OpInput& input : config.inputs) {
    Tensor tensor = Tensor::empty(input.shape, DType::Float64);
    if (input.values.empty()) {
      Philox random(20240607, 0, stream++);
      fill_normal(tensor, input.mean, input.std, random);
    } else {
      tensor = Tensor::from(input.values, input.shape);
    }
    if (input.positive) {
      for (int64_t i = 0; i < tensor.numel(); ++i) {
        tensor.data<double>()[i] = std::abs(tensor.data<double>()[i]) + 0.1;
      }
    }
    result.push_back(tensor.to(dtype_for(input, dtype)).to(DType::Float64));
  }
  return result;
}

Variables make_inputs(const OpConfig& config, const std::vector<Tensor>& values, DType dtype,
                      Device device, bool gradients) {
  Variables result;
  for (size_t i = 0; i < values.size(); ++i) {
    const OpInput& input = config.inputs[i];
    const Tensor copy = values[i].to(dtype_for(input, dtype)).to(device).clone();
    result.emplace_back(copy, gradients && input.differentiable);
  }
  return result;
}

Array to_array(const Tensor& tensor) {
  Array result(tensor.shape());
  const Tensor host = tensor.to(Device::cpu()).to(DType::Float64);
  std::copy_n(host.data<double>(), host.numel(), result.values.begin());
  return result;
}

/// Fails, with the worst element, unless all are within the tolerance; NaN equals NaN.
void expect_close(const Array& got, const Array& want, const Tolerance& tolerance,
                  const std::string& what) {
  ASSERT_EQ(got.shape, want.shape) << what;
  double worst = 0;
  int64_t at = -1;
  int64_t wrong = 0;
  for (int64_t i = 0; i < want.numel(); ++i) {
    if (got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i]))) continue;
    const double allowed = tolerance.absolute + tolerance.relative * std::abs(want[i]);
    const double excess = std::abs(got[i] - want[i]) / allowed;
    if (excess <= 1) continue;
    ++wrong;
    if (at < 0 || !(excess <= worst)) {
      worst = excess;
      at = i;
    }
  }
  EXPECT_EQ(wrong, 0) << what << " " << want.shape << ": element " << at << " is " << got[at]
                      << ", expected " << want[at] << " (" << worst << " times the tolerance)";
}

struct Outcome {
  std::vector<Tensor> outputs, gradients;
};

Variables differentiable(const OpConfig& config, Variables outputs) {
  if (config.differentiable_outputs >= 0) {
    outputs.resize(static_cast<size_t>(config.differentiable_outputs));
  }
  return outputs;
}

/// Runs a configuration forward and, where it has gradients, backward from fixed seeds.
Outcome evaluate(const OpConfig& config, const std::vector<Tensor>& values, DType dtype,
                 Device device) {
  const Variables inputs = make_inputs(config, values, dtype, device, config.gradients);
  const Variables outputs = config.run(inputs);
  Outcome outcome;
  for (const Variable& output : outputs) outcome.outputs.push_back(output.data());
  uint64_t stream = 100;
  for (const Variable& output : differentiable(config, outputs)) {
    Tensor seed = Tensor::empty(output.shape(), DType::Float64);
    Philox random(7, 0, stream++);
    fill_normal(seed, 0, 1, random);
    // All dtypes start from the same, representable, seeds.
    seed = seed.to(DType::BFloat16).to(output.dtype()).to(device);
    if (output.requires_grad()) output.backward(seed, true);
  }
  for (const Variable& input : inputs) outcome.gradients.push_back(input.grad());
  return outcome;
}

std::string label(const OpConfig& config, DType dtype, Device device) {
  std::ostringstream text;
  text << config.name << ", " << dtype << ", " << device;
  return text.str();
}

int64_t check_forward(const OpCase& op) {
  int64_t cases = 0;
  for (const OpConfig& config : op.configs) {
    for (const DType dtype : kDTypes) {
      const std::vector<Tensor> values = draw(config, dtype);
      Arrays arrays;
      for (const Tensor& value : values) arrays.push_back(to_array(value));
      const Arrays want = config.reference(arrays);
      for (const Device device : devices()) {
        SCOPED_TRACE(label(config, dtype, device));
        const autograd::NoGrad no_grad;
        const Variables got = config.run(make_inputs(config, values, dtype, device, false));
        EXPECT_EQ(got.size(), want.size());
        for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
          expect_close(to_array(got[i].data()), want[i], tolerance_of(op, dtype),
                       "output " + std::to_string(i));
        }
        ++cases;
      }
    }
  }
  return cases;
}

/// Sets the number of threads for its own lifetime.
class Threads {
 public:
  explicit Threads(int threads) : previous_(num_threads()) { set_num_threads(threads); }
  ~Threads() { set_num_threads(previous_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int previous_;
};

int64_t check_gradcheck(const OpCase& op) {
  const Threads one(1);  // Many small runs: starting threads would take longer than they do.
  int64_t cases = 0;
  for (const OpConfig& config : op.configs) {
    if (!config.gradients) continue;
    const std::vector<Tensor> values = draw(config, DType::Float64);
    std::vector<Tensor> leaves;
    for (size_t i = 0; i < values.size(); ++i) {
      if (config.inputs[i].differentiable) leaves.push_back(values[i]);
    }
    int64_t elements = 0;
    for (const Tensor& leaf : leaves) elements += leaf.numel();
    for (const Device device : devices()) {
      // check_gradients() holds every element of a device's gradients against the CPU's.
      const bool simulated = device.is_cuda() && !simulator_schedules().empty();
      const int probes = elements >= 10000 ? 4 : simulated ? 6 : 24;
      SCOPED_TRACE(label(config, DType::Float64, device));
      const auto f = [&](const Variables& given) {
        Variables inputs;
        size_t next = 0;
        for (size_t i = 0; i < values.size(); ++i) {
          inputs.push_back(config.inputs[i].differentiable ? given[next++]
                                                           : Variable(values[i].to(device)));
        }
        return differentiable(config, config.run(inputs));
      };
      std::vector<Tensor> on_device;
      for (const Tensor& leaf : leaves) on_device.push_back(leaf.to(device));
      EXPECT_EQ(autograd::gradcheck(f, on_device,
                                    {.tolerance = op.gradcheck_tolerance, .max_elements = probes}),
                "");
      ++cases;
    }
  }
  return cases;
}

int64_t check_gradients(const OpCase& op) {
  int64_t cases = 0;
  for (const OpConfig& config : op.configs) {
    if (!config.gradients) continue;
    for (const DType dtype : kNarrowDTypes) {
      const std::vector<Tensor> values = draw(config, dtype);
      const Outcome want = evaluate(config, values, DType::Float64, Device::cpu());
      for (const Device device : devices()) {
        SCOPED_TRACE(label(config, dtype, device));
        const Outcome got = evaluate(config, values, dtype, device);
        const Tolerance tolerance = tolerance_of(op, dtype);
        for (size_t i = 0; i < want.outputs.size(); ++i) {
          expect_close(to_array(got.outputs[i]), to_array(want.outputs[i]), tolerance,
                       "output " + std::to_string(i));
        }
        for (size_t i = 0; i < want.gradients.size(); ++i) {
          EXPECT_EQ(got.gradients[i].defined(), want.gradients[i].defined());
          if (!got.gradients[i] || !want.gradients[i]) continue;
          expect_close(to_array(got.gradients[i]), to_array(want.gradients[i]), tolerance,
                       "gradient of " + config.inputs[i].name);
        }
        ++cases;
      }
    }
  }
  return cases;
}

Outcome to_host(Outcome outcome) {
  for (auto* tensors : {&outcome.outputs, &outcome.gradients}) {
    for (Tensor& tensor : *tensors) tensor = tensor.to(Device::cpu());
  }
  return outcome;
}

void expect_same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b, const char* what,
                      const char* between) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].defined(), b[i].defined());
    if (!a[i] || a[i].numel() == 0) continue;
    EXPECT_EQ(std::memcmp(a[i].raw(), b[i].raw(), a[i].bytes()), 0)
        << what << " " << i << " differs between " << between;
  }
}

int64_t check_threads(const OpCase& op) {
  int64_t cases = 0;
  for (const OpConfig& config : op.configs) {
    for (const DType dtype : kNarrowDTypes) {
      SCOPED_TRACE(label(config, dtype, Device::cpu()));
      const std::vector<Tensor> values = draw(config, dtype);
      const auto with_threads = [&](int threads) {
        const Threads scope(threads);
        return evaluate(config, values, dtype, Device::cpu());
      };
      const Outcome one = with_threads(1);
      const Outcome two = with_threads(2);
      expect_same_bits(one.outputs, two.outputs, "output", "one and two threads");
      expect_same_bits(one.gradients, two.gradients, "gradient", "one and two threads");
      ++cases;
    }
  }
  return cases;
}

/// Simulated CUDA only: bit-equal under every schedule, and right for every size of block.
int64_t check_schedules(const OpCase& op) {
  int64_t cases = 0;
  const std::vector<std::string> schedules = simulator_schedules();
  const std::vector<int> blocks{32, 64, 96, 256, 1024};
  size_t turn = 0;
  for (const OpConfig& config : op.configs) {
    if (schedules.empty()) break;
    const DType dtype = kNarrowDTypes[turn % kNarrowDTypes.size()];
    const std::vector<Tensor> values = draw(config, dtype);
    const Outcome want = evaluate(config, values, dtype, Device::cpu());
    gpu::set_block_size(blocks[turn++ % blocks.size()]);
    std::optional<Outcome> first;
    for (const std::string& schedule : schedules) {
      SCOPED_TRACE(label(config, dtype, Device::cuda(0)) + ", " + schedule);
      set_simulator_schedule(schedule);
      const Outcome got = to_host(evaluate(config, values, dtype, Device::cuda(0)));
      const Tolerance tolerance = tolerance_of(op, dtype);
      for (size_t i = 0; i < want.outputs.size(); ++i) {
        expect_close(to_array(got.outputs[i]), to_array(want.outputs[i]), tolerance,
                     "output " + std::to_string(i));
      }
      if (first) {
        expect_same_bits(first->outputs, got.outputs, "output", "two schedules");
        expect_same_bits(first->gradients, got.gradients, "gradient", "two schedules");
      } else {
        first = got;
      }
      ++cases;
    }
  }
  set_simulator_schedule("");
  if (!schedules.empty()) gpu::set_block_size(256);
  return cases;
}

/// A file of golden values with its cases.
class GoldenFile {
 public:
  explicit GoldenFile(const std::string& name)
      : contents_(read_safetensors(std::string(KESTREL_TEST_DIR "/golden/data/") + name)),
        cases_(nlohmann::json::parse(contents_.metadata.at("cases"))) {}

  const nlohmann::json& cases() const { return cases_; }
  Tensor tensor(const std::string& name) const {
    for (const auto& [key, value] : contents_.tensors) {
      if (key == name) return value;
    }
    return {};
  }

 private:
  Safetensors contents_;
  nlohmann::json cases_;
};

void check_golden(const OpCase& op, const Golden& golden, const GoldenFile& file,
                  const std::string& name, const nlohmann::json& parameters, DType dtype,
                  Device device) {
  const auto tensor = [&](const std::string& part) { return file.tensor(name + "/" + part); };
  Variables inputs;
  for (const std::string& input : golden.inputs) {
    const Tensor value = tensor(input);
    inputs.push_back(value ? Variable(value.to(dtype).to(device).clone(), true) : Variable());
  }
  const Variable output = golden.run(inputs, parameters, tensor);
  const Tolerance tolerance = tolerance_of(op, dtype);
  expect_close(to_array(output.data()), to_array(tensor(golden.output)), tolerance, golden.output);
  const Tensor seed = tensor("grad_output");
  output.backward(seed ? seed.to(dtype).to(device) : Tensor());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor want = tensor("grad_" + golden.inputs[i]);
    if (!inputs[i] || !want) continue;
    EXPECT_TRUE(inputs[i].grad().defined()) << golden.inputs[i];
    if (!inputs[i].grad()) continue;
    expect_close(to_array(inputs[i].grad()), to_array(want), tolerance,
                 "gradient of " + golden.inputs[i]);
  }
}

/// Calls f(golden, file, case name, parameters, dtype, device) for every check that there is;
/// returns their number.
template <class F>
int64_t for_goldens(const OpCase& op, F f) {
  int64_t cases = 0;
  for (const Golden& golden : op.goldens) {
    const GoldenFile file(golden.file);
    for (const auto& [name, parameters] : file.cases().items()) {
      if (golden.selects && !golden.selects(parameters)) continue;
      for (const DType dtype : kGoldenDTypes) {
        for (const Device device : devices()) {
          f(golden, file, name, parameters, dtype, device);
          ++cases;
        }
      }
    }
  }
  return cases;
}

int64_t check_goldens(const OpCase& op) {
  const int64_t cases =
      for_goldens(op, [&](const Golden& golden, const GoldenFile& file, const std::string& name,
                          const nlohmann::json& parameters, DType dtype, Device device) {
        std::ostringstream where;
        where << golden.file << ": " << name << ", " << dtype << ", " << device;
        SCOPED_TRACE(where.str());
        check_golden(op, golden, file, name, parameters, dtype, device);
      });
  EXPECT_TRUE(op.goldens.empty() || cases > 0) << "the golden file has no case for " << op.name;
  return cases;
}

using Check = int64_t (*)(const OpCase&);

class OpTest : public ::testing::Test {
 public:
  OpTest(Make make, Check check) : make_(std::move(make)), check_(check) {}

  void TestBody() override {
    const int64_t cases = check_(make_());
    RecordProperty("op_cases", std::to_string(cases));
  }

 private:
  Make make_;
  Check check_;
};

}  // namespace

OpCaseRegistration::OpCaseRegistration(std::string name, std::function<OpCase()> make) {
  const auto add = [&](const char* kind, Check check) {
    ::testing::RegisterTest("OpCase", (name + "_" + kind).c_str(), nullptr, nullptr, __FILE__,
                            __LINE__,
                            [make, check]() -> OpTest* { return new OpTest(make, check); });
  };
  add("forward", check_forward);
  add("gradcheck", check_gradcheck);
  add("gradients", check_gradients);
  add("threads", check_threads);
  add("schedules", check_schedules);
  add("goldens", check_goldens);
  registry().emplace_back(std::move(name), std::move(make));
}

int64_t planned_op_cases() {
  const auto device_count = static_cast<int64_t>(devices().size());
  int64_t total = 0;
  for (const auto& [name, make] : registry()) {
    const OpCase op = make();
    const auto configs = static_cast<int64_t>(op.configs.size());
    const int64_t with_gradients =
        std::count_if(op.configs.begin(), op.configs.end(),
                      [](const OpConfig& config) { return config.gradients; });
    total += configs * 3 * device_count;         // forward
    total += with_gradients * 3 * device_count;  // gradcheck, gradients in two dtypes
    total += configs * 2;                        // threads
    total += configs * static_cast<int64_t>(simulator_schedules().size());
    total += for_goldens(op, [](auto&&...) {});
  }
  return total;
}

std::vector<std::string> registered_ops() {
  std::vector<std::string> names;
  for (const auto& [name, make] : registry()) names.push_back(name);
  return names;
}

std::string to_string(const Shape& shape) {
  if (shape.dims() == 0) return "scalar";
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

}  // namespace kestrel::test
