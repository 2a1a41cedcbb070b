#pragma once

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <kestrel/tensor/tensor.h>

namespace kestrel::test {

/// A part of tests/golden/data/detection.json, which tests/golden/detection.py wrote.
inline nlohmann::json detection_golden(const std::string& name) {
  std::ifstream file(std::string(KESTREL_TEST_DIR) + "/golden/data/detection.json");
  return nlohmann::json::parse(file).at(name);
}

/// What another script of tests/golden wrote to data/<name>.json.
inline nlohmann::json golden_file(const std::string& name) {
  std::ifstream file(std::string(KESTREL_TEST_DIR) + "/golden/data/" + name + ".json");
  return nlohmann::json::parse(file);
}

/// numbers() of detection.py: distinct values in [0, 1).
inline std::vector<double> golden_numbers(int64_t count, int64_t seed) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<double>((i * 7919 + seed * 104729) % 100003) / 100003);
  }
  return values;
}

/// boxes_of() of detection.py.
inline std::vector<double> golden_boxes(int64_t count, int64_t seed, double extent) {
  const std::vector<double> v = golden_numbers(count * 4, seed);
  std::vector<double> boxes;
  for (size_t i = 0; i < v.size(); i += 4) {
    const double x = v[i] * extent * 0.7;
    const double y = v[i + 1] * extent * 0.7;
    const double box[] = {x, y, x + (2 + v[i + 2] * extent * 0.5),
                          y + (2 + v[i + 3] * extent * 0.5)};
    boxes.insert(boxes.end(), box, box + 4);
  }
  return boxes;
}

template <class T>
void expect_near(const Tensor& got, const std::vector<double>& want, double absolute,
                 double relative) {
  ASSERT_EQ(got.numel(), static_cast<int64_t>(want.size()));
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got.data<T>()[i]), want[i],
                absolute + relative * std::abs(want[i]))
        << "element " << i;
  }
}

}  // namespace kestrel::test
