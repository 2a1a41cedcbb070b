#pragma once

#include <cstdint>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <kestrel/engine/optimizers/optimizer.h>

namespace kestrel::test {

inline const nlohmann::json& golden_optimizers() {
  static const auto file = nlohmann::json::parse(
      std::ifstream(std::string(KESTREL_TEST_DIR) + "/golden/data/optimizers.json"));
  return file;
}

/// The parameters and gradients of tests/golden/optimizers.py, which says how they are drawn.
class GoldenNumbers {
 public:
  static constexpr int64_t kSteps = 200;
  using Values = std::vector<double>;

  GoldenNumbers() {
    for (const size_t size : kSizes) initial.push_back(draw(size, 2));
    for (int64_t step = 0; step < kSteps; ++step) {
      std::vector<Values> of_step{draw(6, 1), draw(5, 1), draw(1, 0x1p-12)};
      of_step[0][0] = 0;
      if (step % 5 == 4) of_step[1].clear();  // no gradient
      grads.push_back(std::move(of_step));
    }
  }

  std::vector<Values> initial;
  std::vector<std::vector<Values>> grads;

 private:
  static constexpr size_t kSizes[] = {6, 5, 1};

  Values draw(size_t count, double scale) {
    Values values;
    for (size_t i = 0; i < count; ++i) {
      state_ = state_ * 1664525u + 1013904223u;
      values.push_back((static_cast<double>(state_ >> 8) * 0x1p-23 - 1) * scale);
    }
    return values;
  }

  uint32_t state_ = 1;
};

/// Three parameters p0 to p2 of a type, and their gradients.
struct GoldenParams : Module {
  explicit GoldenParams(DType dtype = DType::Float32, Device device = Device::cpu())
      : dtype_(dtype), device_(device) {
    for (size_t i = 0; i < 3; ++i) {
      const Shape shape = i == 0 ? Shape{2, 3} : Shape{i == 1 ? 5 : 1};
      add_parameter(std::string("p").append(std::to_string(i)), tensor(numbers.initial[i], shape));
    }
  }
  void set_grads(int64_t step) {
    const auto& grads = numbers.grads[static_cast<size_t>(step)];
    size_t i = 0;
    for (Variable& p : parameters()) {
      p.grad() = grads[i].empty() ? Tensor() : tensor(grads[i], p.shape());
      ++i;
    }
  }
  /// Of all parameters, one after another.
  std::vector<double> values() const {
    std::vector<double> result;
    for (const Variable& p : parameters()) {
      const Tensor all = p.data().to(Device::cpu()).to(DType::Float64);
      result.insert(result.end(), all.values<double>().begin(), all.values<double>().end());
    }
    return result;
  }

  GoldenNumbers numbers;

 private:
  Tensor tensor(const std::vector<double>& values, const Shape& shape) const {
    return Tensor::from(values, shape).to(dtype_).to(device_);
  }

  DType dtype_;
  Device device_;
};

}  // namespace kestrel::test
