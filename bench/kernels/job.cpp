#include "job.h"

#include <charconv>
#include <sstream>

#include <kestrel/kernels/error.h>
#include <kestrel/registry/nearest_name.h>
#include <kestrel/tensor/random.h>

namespace kestrel::bench {

int64_t Spec::operator[](const std::string& name) const {
  const auto found = sizes.find(name);
  if (found == sizes.end()) fail<UsageError>("[kernel_bench] ", op, " wants ", name, "=...");
  return found->second;
}

int64_t Spec::value(const std::string& name, int64_t otherwise) const {
  const auto found = sizes.find(name);
  return found == sizes.end() ? otherwise : found->second;
}

Spec parse_spec(const std::string& line) {
  std::istringstream words(line);
  Spec spec;
  words >> spec.op;
  if (!operators().contains(spec.op)) {
    std::vector<std::string> names;
    for (const auto& [name, make] : operators()) names.push_back(name);
    fail<UsageError>("[kernel_bench] there is no operator '", spec.op, "'",
                     did_you_mean(spec.op, names));
  }
  for (std::string word; words >> word;) {
    const size_t at = word.find('=');
    const std::string name = word.substr(0, at);
    const std::string text = at == std::string::npos ? "" : word.substr(at + 1);
    if (name == "dtype" && (text == "float32" || text == "bfloat16")) {
      spec.dtype = text == "float32" ? DType::Float32 : DType::BFloat16;
      continue;
    }
    int64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
      fail<UsageError>("[kernel_bench] '", word, "' of '", line, "' is not <name>=<integer>");
    }
    spec.sizes[name] = number;
  }
  return spec;
}

const Operators& operators() {
  static const Operators all = [] {
    Operators result = convolution_operators();
    result.merge(elementwise_operators());
    result.merge(feature_map_operators());
    result.merge(detection_operators());
    result.merge(region_operators());
    result.merge(reduction_operators());
    return result;
  }();
  return all;
}

Shape map_of(const Spec& spec) {
  return {spec["n"], spec["h"], spec["w"], spec["c"]};
}

Tensor normal(const Shape& shape, DType dtype, Device device, double mean, double std) {
  Tensor tensor = Tensor::empty(shape);
  Philox random(1);
  fill_normal(tensor, mean, std, random);
  return tensor.to(dtype).to(device);
}

Tensor boxes(int64_t n, double height, double width, double largest, Device device) {
  Tensor result = Tensor::empty({n, 4});
  Philox random(2);
  for (int64_t i = 0; i < n; ++i) {
    float* box = result.data<float>() + i * 4;
    const double w = random.uniform(8, largest);
    const double h = random.uniform(8, largest);
    const double x = random.uniform(0, width - w);
    const double y = random.uniform(0, height - h);
    box[0] = static_cast<float>(x);
    box[1] = static_cast<float>(y);
    box[2] = static_cast<float>(x + w);
    box[3] = static_cast<float>(y + h);
  }
  return result.to(device);
}

Tensor integers(int64_t n, int64_t low, int64_t high, Device device) {
  Tensor result = Tensor::empty({n}, DType::Int64);
  Philox random(3);
  for (int64_t i = 0; i < n; ++i) result.data<int64_t>()[i] = random.integer(low, high);
  return result.to(device);
}

double bytes_of(std::initializer_list<Tensor> tensors) {
  double bytes = 0;
  for (const Tensor& tensor : tensors) bytes += static_cast<double>(tensor.bytes());
  return bytes;
}

}  // namespace kestrel::bench
