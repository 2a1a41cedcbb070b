#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <kestrel/kernels/dtype.h>
#include <kestrel/tensor/device.h>
#include <kestrel/tensor/tensor.h>

namespace kestrel::bench {

/// A line of kernel_cases.txt: an operator and the sizes it is given.
struct Spec {
  std::string op;
  DType dtype = DType::Float32;
  std::map<std::string, int64_t> sizes;

  /// Throws UsageError where the line does not say.
  int64_t operator[](const std::string& name) const;
  int64_t value(const std::string& name, int64_t otherwise) const;
};
/// "conv2d n=1 h=100 w=168 ... [dtype=bfloat16]". Throws UsageError.
Spec parse_spec(const std::string& line);

/// An operator with its operands, ready to run again and again.
struct Job {
  std::function<void()> run;
  double flops = 0;  ///< 0 where the operator's work is not multiplications.
  double bytes = 0;  ///< Of operands read and results written once: what it must move.
};

using MakeJob = Job (*)(const Spec&, Device);
using Operators = std::map<std::string, MakeJob>;
Operators convolution_operators();
Operators elementwise_operators();
Operators feature_map_operators();
Operators detection_operators();
Operators region_operators();
Operators reduction_operators();

/// All of them.
const Operators& operators();

/// The shape of its feature map, n x h x w x c.
Shape map_of(const Spec& spec);
/// Normal numbers on the device.
Tensor normal(const Shape& shape, DType dtype, Device device, double mean = 0, double std = 1);
/// (n, 4) float32 boxes in a picture of this size, sides of 8 to `largest`, on the device.
Tensor boxes(int64_t n, double height, double width, double largest, Device device);
/// (n) int64 in [low, high), on the device.
Tensor integers(int64_t n, int64_t low, int64_t high, Device device);

/// The sum of the tensors' bytes.
double bytes_of(std::initializer_list<Tensor> tensors);

}  // namespace kestrel::bench
